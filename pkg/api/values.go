package api

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/history"
)

// timestamp is a time as the protocol writes it: seconds since 1970, with milliseconds.
type timestamp time.Time

// MarshalJSON returns the number of seconds.
func (t timestamp) MarshalJSON() ([]byte, error) {
	ms := time.Time(t).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

// optional returns nil for the zero time.
func optional(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}

// constraint is the error of a value that the service's model does not allow.
func constraint(field, value, rule string) error {
	return &Error{
		"ValidationException",
		fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, rule),
	}
}

// checkARN checks the form of an ARN of a resource type such as "execution".
func checkARN(field string, arn *string, kind string) error {
	switch {
	case arn == nil:
		return constraint(field, "null", "Member must not be null")
	case *arn == "":
		return constraint(field, "", "Member must have length greater than or equal to 1")
	case len(*arn) > 2000:
		return constraint(field, *arn, "Member must have length less than or equal to 2000")
	}
	parts := strings.SplitN(*arn, ":", 7)
	switch {
	case parts[0] != "arn":
		return &Error{"InvalidArn", fmt.Sprintf("Invalid Arn: 'Invalid ARN prefix: %s'", *arn)}
	case len(parts) < 7 || parts[2] != "states" || parts[6] == "":
		return &Error{"InvalidArn", fmt.Sprintf("Invalid Arn: '%s' is not an ARN of Step Functions", *arn)}
	case parts[5] != kind:
		return &Error{"InvalidArn", fmt.Sprintf("Invalid Arn: 'Resource type not valid in this context: %s'", parts[5])}
	}
	return nil
}

// checkMachine checks that an ARN is that of the state machine.
func checkMachine(arn *string) error {
	if err := checkARN("stateMachineArn", arn, "stateMachine"); err != nil {
		return err
	}
	if *arn != history.MachineARN {
		return &Error{"StateMachineDoesNotExist", fmt.Sprintf("State Machine Does Not Exist: '%s'", *arn)}
	}
	return nil
}

// page is the part of a request that selects a page of a list.
type page struct {
	MaxResults *int    `json:"maxResults"`
	NextToken  *string `json:"nextToken"`
}

// defaultPage is how many results a page has if the request does not say.
const defaultPage = 100

func (p page) check() error {
	if p.MaxResults != nil && (*p.MaxResults < 0 || *p.MaxResults > 1000) {
		return constraint("maxResults", strconv.Itoa(*p.MaxResults), "Member must have value between 0 and 1000")
	}
	return nil
}

// size returns how many results the page has at most.
func (p page) size() int {
	if p.MaxResults == nil || *p.MaxResults == 0 {
		return defaultPage
	}
	return *p.MaxResults
}

// token returns a token for the page after a position of a list.
func token(list string, position int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d", list, position))
}

// position returns the position of the request's token; 0 without one.
func (p page) position(list string) (int64, error) {
	if p.NextToken == nil || *p.NextToken == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*p.NextToken)
	name, number, ok := strings.Cut(string(text), " ")
	n, nerr := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || name != list || nerr != nil || n < 1 {
		return 0, &Error{"InvalidToken", "Invalid Token: 'Invalid token'"}
	}
	return n, nil
}
