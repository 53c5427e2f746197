package grpc

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"nactor/grpc/grpcpb"
	"nactor/naming"
)

// Error codes of Nacos's answers.
const (
	codeInvalid      = 400
	codeNotFound     = 404
	codeServerError  = 500
	codeUnreadable   = 502
	codeStarting     = 300
	codeUnregistered = 301
	codeNoHandler    = 302

	resultOK   = 200
	resultFail = 500
)

// Types of messages.
const (
	typeServerCheck     = "ServerCheckRequest"
	typeHealthCheck     = "HealthCheckRequest"
	typeSetup           = "ConnectionSetupRequest"
	typeReset           = "ConnectResetRequest"
	typeDetection       = "ClientDetectionRequest"
	typeInstance        = "InstanceRequest"
	typeBatch           = "BatchInstanceRequest"
	typePersistent      = "PersistentInstanceRequest"
	typeQuery           = "ServiceQueryRequest"
	typeList            = "ServiceListRequest"
	typeSubscribe       = "SubscribeServiceRequest"
	typeNotify          = "NotifySubscriberRequest"
	typeError           = "ErrorResponse"
	typeServerChecked   = "ServerCheckResponse"
	typeHealthChecked   = "HealthCheckResponse"
	typeInstanceAnswer  = "InstanceResponse"
	typeBatchAnswer     = "BatchInstanceResponse"
	typeQueryAnswer     = "QueryServiceResponse"
	typeListAnswer      = "ServiceListResponse"
	typeSubscribeAnswer = "SubscribeServiceResponse"
)

// answer is what every response says. Clients look at success, or at resultCode.
type answer struct {
	ResultCode int    `json:"resultCode"`
	ErrorCode  int    `json:"errorCode"`
	Message    string `json:"message,omitempty"`
	RequestID  string `json:"requestId,omitempty"`
	Success    bool   `json:"success"`

	ConnectionID string          `json:"connectionId,omitempty"` // ServerCheckResponse
	Type         string          `json:"type,omitempty"`         // InstanceResponse, BatchInstanceResponse
	ServiceInfo  json.RawMessage `json:"serviceInfo,omitempty"`  // QueryServiceResponse, SubscribeServiceResponse
	*names
}

// names is the rest of a ServiceListResponse.
type names struct {
	Count        int      `json:"count"`
	ServiceNames []string `json:"serviceNames"`
}

// request is what the requests of clients say, all types together. Fields that are not known
// are passed over, as in Nacos.
type request struct {
	RequestID   string `json:"requestId"`
	Namespace   string `json:"namespace"`
	ServiceName string `json:"serviceName"`
	GroupName   string `json:"groupName"`

	Type      string     `json:"type"`
	Instance  *instance  `json:"instance"`
	Instances []instance `json:"instances"`

	Cluster     string `json:"cluster"`
	HealthyOnly bool   `json:"healthyOnly"`
	PageNo      int    `json:"pageNo"`
	PageSize    int    `json:"pageSize"`
	Subscribe   bool   `json:"subscribe"`
	Clusters    string `json:"clusters"`
}

// instance is Nacos's Instance as clients send it.
type instance struct {
	IP          string            `json:"ip"`
	Port        int               `json:"port"`
	Weight      *float64          `json:"weight"`  // 1
	Healthy     *bool             `json:"healthy"` // true
	Enabled     *bool             `json:"enabled"` // true
	ClusterName string            `json:"clusterName"`
	Metadata    map[string]string `json:"metadata"`
}

// setup is what a client says of itself.
type setup struct {
	ClientVersion string            `json:"clientVersion"`
	Tenant        string            `json:"tenant"`
	Labels        map[string]string `json:"labels"`
}

// ack is a client's answer to what it was pushed. Some SDKs send success=false with it: any
// answer proves that it has read the message.
type ack struct {
	RequestID string `json:"requestId"`
}

// decode reads the JSON of a frame. null is nothing.
func decode(p *grpcpb.Payload, into any) error {
	body := p.GetBody().GetValue()
	if len(body) == 0 {
		return naming.Invalid("Invalid request")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read a %s: %w", p.GetMetadata().GetType(), err)
	}
	return nil
}

// frame returns the frame of a message whose JSON is body.
func frame(kind string, body []byte) *grpcpb.Payload {
	return &grpcpb.Payload{Metadata: &grpcpb.Metadata{Type: kind}, Body: &anypb.Any{Value: body}}
}

// reply returns the frame of an answer.
func reply(kind string, a answer) *grpcpb.Payload {
	if a.Success = a.ErrorCode == 0; a.Success {
		a.ResultCode = resultOK
	} else {
		a.ResultCode = resultFail
	}
	body, err := json.Marshal(a)
	if err != nil {
		// Only a ServiceInfo that is no JSON could do that.
		return fail(a.RequestID, codeServerError, "cannot write the answer: "+err.Error())
	}
	return frame(kind, body)
}

// fail returns an ErrorResponse.
func fail(requestID string, code int, message string) *grpcpb.Payload {
	return reply(typeError, answer{ErrorCode: code, Message: message, RequestID: requestID})
}
