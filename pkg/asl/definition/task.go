package definition

import (
	"slices"
	"strings"
)

func (l *loader) task(st *State, n *node, before readable) {
	st.Resource = l.text(n, "Resource", true)
	l.description.Resource = st.Resource
	switch {
	case strings.HasSuffix(st.Resource, ".waitForTaskToken"):
		l.reportf(n.get("Resource"), "task tokens are not supported")
	case strings.Contains(st.Resource, ":activity:"):
		l.reportf(n.get("Resource"), "activities are not supported")
	default:
		l.integration(n.get("Resource"), st.Resource)
	}
	st.Arguments = l.template(n.get("Arguments"), before)
	st.Timeout = l.number(n, "TimeoutSeconds", Bounds{1, MaxSeconds, true}, &before)
	st.Heartbeat = l.number(n, "HeartbeatSeconds", Bounds{1, MaxSeconds, true}, &before)
	if h, t := st.Heartbeat, st.Timeout; h != nil && h.expr == nil && t != nil && t.expr == nil && h.value >= t.value {
		l.reportf(n.get("HeartbeatSeconds"), "must be less than TimeoutSeconds")
	}
	if c := n.get("Credentials"); c != nil && l.fields(c, "RoleArn") {
		if c.get("RoleArn") == nil {
			l.reportf(c, "RoleArn is missing")
		}
		st.Credentials = l.textTemplate(c, "RoleArn", before)
	}
}

// integrations lists the actions of the services that Step Functions integrates with optimized
// support, without their suffixes such as .sync. Source: Step Functions Developer Guide,
// "Integrating optimized services".
var integrations = map[string][]string{
	"apigateway": {"invoke"},
	"athena":     {"startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"},
	"batch":      {"submitJob"},
	"codebuild":  {"startBuild", "stopBuild", "batchDeleteBuilds", "batchGetReports", "startBuildBatch", "stopBuildBatch", "retryBuildBatch", "deleteBuildBatch"},
	"dynamodb":   {"getItem", "putItem", "deleteItem", "updateItem"},
	"ecs":        {"runTask"},
	"events":     {"putEvents"},
	"glue":       {"startJobRun"},
	"http":       {"invoke"},
	"lambda":     {"invoke"},
	"sns":        {"publish"},
	"sqs":        {"sendMessage"},
	"states":     {"startExecution"},
}

// integration refuses an action that an optimized service does not have. Services that are not in
// the table, and SDK integrations (aws-sdk), are accepted.
func (l *loader) integration(n *node, resource string) {
	_, action, ok := strings.Cut(resource, ":states:::")
	if !ok || !strings.HasPrefix(resource, "arn:") {
		return
	}
	service, action, _ := strings.Cut(action, ":")
	actions, known := integrations[service]
	if !known {
		return
	}
	name, _, _ := strings.Cut(action, ".")
	if !slices.Contains(actions, name) {
		l.reportf(n, "%s has no action %q; it has %s", service, name, strings.Join(actions, ", "))
	}
}
