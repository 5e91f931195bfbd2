package client

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/fault"
)

const credentialsHint = "log in, with aws configure or aws sso login, or set AWS_PROFILE"

// fail returns an error of a service with its kind and, where one is known, a hint. The text is what the service said, without the
// SDK's frame.
func (c *Client) fail(err error, what string) error {
	if err == nil {
		return nil
	}
	kind, hint, text := fault.Internal, "", ""
	api, answered := errors.AsType[smithy.APIError](err)
	response, _ := errors.AsType[*smithyhttp.ResponseError](err)
	status := 0
	if response != nil {
		status = response.HTTPStatusCode()
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden && c.cloud == nil:
		kind, text = fault.Invalid, "the server refuses the request"
		hint = "give the server's token with --token-file or MAPREEL_TOKEN, and ask it under a name that it knows"
	case answered && strings.HasSuffix(api.ErrorCode(), "DoesNotExist"), answered && api.ErrorCode() == "ResourceNotFound", status == http.StatusNotFound:
		kind = fault.NotFound
	case answered && isDenied(api.ErrorCode()):
		kind, hint = fault.Invalid, "see docs/client.md for the permissions that the client needs"
	case answered && (api.ErrorFault() == smithy.FaultServer || strings.Contains(api.ErrorCode(), "Throttl") || api.ErrorCode() == "SlowDown"):
		kind = fault.Transient
	case answered:
		kind = fault.Invalid
	case isUnsent(err):
		kind = fault.Transient
		hint = "see whether this machine has a way to AWS"
		if c.cloud == nil {
			text, hint = "no server answers there", "start one with mapreel serve, or name another with --endpoint, or a stack with --stack"
		}
	case strings.Contains(err.Error(), "get credentials"), strings.Contains(err.Error(), "no EC2 IMDS role found"):
		kind, text, hint = fault.Invalid, "there are no AWS credentials", credentialsHint
	case status > 0 && c.cloud == nil:
		text, hint = "the answer is not one of the Step Functions API", "does mapreel serve listen there?"
	}
	if text == "" {
		text = err.Error()
		if answered {
			text = api.ErrorMessage()
			if text == "" {
				text = api.ErrorCode()
			}
		}
	}
	return &fault.Error{Kind: kind, What: what, Hint: hint, Err: &serviceError{text, err}}
}

// serviceError is an error of the SDK with a shorter text.
type serviceError struct {
	text string
	err  error
}

func (e *serviceError) Error() string { return e.text }
func (e *serviceError) Unwrap() error { return e.err }

func isDenied(code string) bool {
	return strings.Contains(code, "AccessDenied") || strings.Contains(code, "NotAuthorized") || code == "UnrecognizedClientException" ||
		code == "InvalidClientTokenId" || code == "ExpiredToken" || code == "ExpiredTokenException" || code == "SignatureDoesNotMatch"
}

// isUnsent reports whether a request did not reach a service.
func isUnsent(err error) bool {
	if _, unsent := errors.AsType[*smithyhttp.RequestSendError](err); unsent {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network
}

// hasCode reports whether a service answered with an error code.
func hasCode(err error, code string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == code
}

func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}
