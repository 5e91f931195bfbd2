package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/fault"
)

// fail adds the operation and the object to err, and a kind unless it has one.
//
// A denied permission is Invalid: neither a retry nor a larger worker helps. The author of the request
// or of the policy must correct it.
func (s *Store) fail(ctx context.Context, op, key string, err error) error {
	what := op + " " + s.url(key)
	var kinded *fault.Error
	switch {
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, fault.ContextError(ctx))
	}
	e := &fault.Error{What: what, Err: err}
	code, status := codeOf(err), statusOf(err)
	switch {
	case code == "NoSuchBucket":
		e.Kind, e.Hint = fault.NotFound, "there is no bucket "+s.bucket
	case isAbsent(err):
		e.Kind = fault.NotFound
	case code == "ExpiredToken", code == "RequestTimeTooSkewed", code == "PreconditionFailed", code == "ConditionalRequestConflict",
		code == "OperationAborted", code == "RequestTimeout", code == "BadDigest", code == "IncompleteBody":
		e.Kind = fault.Transient
	case code == "PermanentRedirect", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException",
		status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		e.Kind, e.Hint = fault.Invalid, "bucket "+s.bucket+" is in a different region than the one that was used"
	case code == "InvalidObjectState":
		e.Kind, e.Hint = fault.Unsupported, "the object is archived: restore it first"
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "InvalidToken":
		e.Kind, e.Hint = fault.Invalid, "the credentials are not valid here"
	case status == http.StatusForbidden, code == "AccessDenied":
		e.Kind = fault.Invalid
		e.Hint = "allow it in the role's or the bucket's policy; without permission to list, S3 answers the same for an object that does not exist"
	case code == "InvalidRange":
		e.Kind = fault.Corrupt
	case code == "EntityTooLarge":
		e.Kind = fault.Unsupported
	case code == "KeyTooLongError", code == "InvalidBucketName", code == "ObjectParentIsFile", code == "InvalidURI":
		e.Kind = fault.Invalid
	case status >= 500, status == http.StatusTooManyRequests, isThrottle(code), isNetworkError(err):
		e.Kind = fault.Transient
	default:
		e.Kind = fault.Internal
	}
	return e
}

// codeOf returns S3's error code, or "".
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// statusOf returns the HTTP status of the response, or 0.
func statusOf(err error) int {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// isAbsent reports whether err means that the object does not exist. A response to HEAD has no body
// and therefore no code.
func isAbsent(err error) bool {
	code := codeOf(err)
	return code == "NoSuchKey" || code == "NotFound" || statusOf(err) == http.StatusNotFound && code == ""
}

func isThrottle(code string) bool {
	return code == "SlowDown" || code == "ServiceUnavailable" || code == "InternalError" || code == "RequestLimitExceeded" ||
		strings.HasPrefix(code, "Throttl")
}

// isNetworkError reports whether the network failed or the SDK stopped retrying.
func isNetworkError(err error) bool {
	var (
		network net.Error
		send    *smithyhttp.RequestSendError
		quota   ratelimit.QuotaExceededError
	)
	return errors.As(err, &network) || errors.As(err, &send) || errors.As(err, &quota) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
