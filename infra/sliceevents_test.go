package main

import (
	"fmt"
	"strings"
	"testing"
)

// Workers that announce slices have the bus, the right to write to it and a route.
func TestSlicesAreAnnouncedWhereWorkersHaveARoute(t *testing.T) {
	for _, c := range []struct {
		name      string
		context   object
		announces bool
		endpoints int
	}{
		{"by default on EFS", object{}, false, 0},
		{"asked for on EFS", object{"sliceEvents": "true"}, true, 1},
		{"by default on S3", object{"scratch": "s3"}, true, 0},
		{"with Batch in isolated subnets", object{"scratch": "s3", "batch": "true", "batchNetwork": "isolated"}, false, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := synth(t, c.context)
			if got := len(s.of("AWS::EC2::VPCEndpoint")); c.endpoints > 0 && got != c.endpoints+2 { // those of S3 and DynamoDB cost nothing
				t.Errorf("%d endpoints instead of %d", got, c.endpoints+2)
			}
			may := false
			for name, policy := range s.of("AWS::IAM::Policy") {
				may = may || strings.HasPrefix(name, "MergeRole") && strings.Contains(fmt.Sprint(policy), "events:PutEvents")
			}
			if may != c.announces {
				t.Errorf("workers may put events: %v", may)
			}
			if got := strings.Contains(fmt.Sprint(s.of("AWS::Lambda::Function")), "MAPREEL_BUS"); got != c.announces {
				t.Errorf("workers know the bus: %v", got)
			}
		})
	}
}
