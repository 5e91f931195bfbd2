package lambdafn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/mapreel/mapreel/pkg/work"
)

// EventSource is the source of the events that workers put on the bus of a deployment.
const EventSource = "mapreel"

// maxEntries is how many events one call of PutEvents takes.
const maxEntries = 10

// announcer puts what workers have made available on an event bus.
type announcer struct {
	client *eventbridge.Client
	bus    string
}

// announce puts an event on the bus for each announcement of a job: its type is the event's detail-type, and its detail has the
// field "job" as well.
func (a announcer) announce(ctx context.Context, job string, list []work.Announcement) error {
	var entries []types.PutEventsRequestEntry
	for _, n := range list {
		detail, err := withJob(job, n.Detail)
		if err != nil {
			return err
		}
		entries = append(entries, types.PutEventsRequestEntry{
			EventBusName: aws.String(a.bus), Source: aws.String(EventSource), DetailType: aws.String(n.Type), Detail: aws.String(detail),
		})
	}
	for len(entries) > 0 {
		n := min(len(entries), maxEntries)
		out, err := a.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries[:n]})
		if err != nil {
			return err
		}
		if out.FailedEntryCount > 0 { // the call succeeds all the same
			for _, e := range out.Entries {
				if e.ErrorCode != nil {
					return fmt.Errorf("%d of %d events refused: %s: %s", out.FailedEntryCount, n, *e.ErrorCode, aws.ToString(e.ErrorMessage))
				}
			}
		}
		entries = entries[n:]
	}
	return nil
}

// withJob returns a JSON object with the field "job" before its own.
func withJob(job string, detail json.RawMessage) (string, error) {
	name, err := json.Marshal(job)
	if err != nil {
		return "", err
	}
	rest := bytes.TrimSpace(detail)
	if len(rest) < 2 || rest[0] != '{' {
		return "", fmt.Errorf("the detail of an announcement is no object: %s", detail)
	}
	separator := ","
	if bytes.TrimSpace(rest[1:])[0] == '}' {
		separator = ""
	}
	return `{"job":` + string(name) + separator + string(rest[1:]), nil
}
