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

// fail says what was attempted on which object, with the kind that err means here.
//
// What the caller may not do is Invalid: no retry and no larger worker mends it, only whoever wrote the request or the
// policy.
func (s *Store) fail(ctx context.Context, op, key string, err error) error {
	what := op + " " + s.url(key)
	var kinded *fault.Error
	switch {
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the same value, not the same kind
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), cause)
		}
		return fmt.Errorf("%s: %w", what, ctx.Err())
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
		e.Kind, e.Hint = fault.Invalid, "bucket "+s.bucket+" lies in another region than the one that was asked"
	case code == "InvalidObjectState":
		e.Kind, e.Hint = fault.Unsupported, "the object is archived: restore it first"
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "InvalidToken":
		e.Kind, e.Hint = fault.Invalid, "the credentials are not valid here"
	case status == http.StatusForbidden:
		e.Kind = fault.Invalid
		e.Hint = "allow it in the role's or the bucket's policy; S3 says the same of what is not there where listing is not allowed"
	case code == "InvalidRange":
		e.Kind = fault.Corrupt
	case code == "EntityTooLarge":
		e.Kind = fault.Unsupported
	case code == "KeyTooLongError", code == "InvalidBucketName", code == "ObjectParentIsFile", code == "InvalidURI":
		e.Kind = fault.Invalid
	case status >= 500, status == http.StatusTooManyRequests, isThrottle(code), isBroken(err):
		e.Kind = fault.Transient
	default:
		e.Kind = fault.Internal
	}
	return e
}

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// isAbsent reports that there is no such object. An answer to HEAD has no body, so no code either.
func isAbsent(err error) bool {
	code := codeOf(err)
	return code == "NoSuchKey" || code == "NotFound" || statusOf(err) == http.StatusNotFound && code == ""
}

func isThrottle(code string) bool {
	return code == "SlowDown" || code == "ServiceUnavailable" || code == "InternalError" || code == "RequestLimitExceeded" ||
		strings.HasPrefix(code, "Throttl")
}

// isBroken reports that the network failed, or that the SDK gave up trying again.
func isBroken(err error) bool {
	var (
		network net.Error
		send    *smithyhttp.RequestSendError
		quota   ratelimit.QuotaExceededError
	)
	return errors.As(err, &network) || errors.As(err, &send) || errors.As(err, &quota) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
