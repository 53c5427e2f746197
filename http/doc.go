// Package http is the HTTP front: Nacos's v1 API on fasthttp. It translates requests into
// commands and views into answers, in Nacos's words; it decides nothing. fasthttp uses the
// memory of a request again, so everything is copied before it is handed on.
package http
