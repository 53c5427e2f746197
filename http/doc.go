// Package http is the front door for clients of the HTTP API: Nacos 1.x SDKs, the console,
// operators, scripts. It translates requests into commands of package naming and answers
// in Nacos's words; it never decides what a command does.
//
// Whatever outlives a request is copied out of it first: fasthttp uses its buffers again.
// No *fasthttp.RequestCtx leaves this package, not even as a context.
//
// The paths /v1 and /v2 are versions of the API and have nothing to do with naming/v1 and
// naming/v2, the structures that a service may be kept in.
package http
