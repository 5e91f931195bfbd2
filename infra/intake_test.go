package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/intake"
)

func TestABadSettingOfTheOutsideIsOneClearError(t *testing.T) {
	for _, c := range []struct {
		context object
		want    string
	}{
		{object{"api": "yes"}, "api=yes: choose true or false"},
		{object{"apiRate": "5"}, "apiRate=5 has no effect without api=true"},
		{object{"apiIssuer": "https://id.example.com"}, "has no effect without api=true"},
		{object{"api": "true", "apiRate": "0"}, "apiRate=0: give a whole number from 1 to 10000"},
		{object{"api": "true", "apiIssuer": "https://id.example.com"}, "apiIssuer and apiAudience belong together"},
		{object{"api": "true", "apiAudience": "mapreel"}, "apiIssuer and apiAudience belong together"},
		{object{"api": "true", "apiIssuer": "id.example.com", "apiAudience": "mapreel"}, "apiIssuer=id.example.com: give the https URL"},
		{object{"api": "true", "apiIssuer": "http://id.example.com", "apiAudience": "mapreel"}, "give the https URL"},
		{object{"notify": "ops"}, `notify: "ops" is neither an email address nor an https URL`},
		{object{"notify": "Ops <ops@example.com>"}, "is neither an email address"},
		{object{"notify": "http://hooks.example.com/x"}, "nor an https URL"},
		{object{"notify": "https://user:pw@hooks.example.com/x"}, "nor an https URL"},
		{object{"notify": "a@example.com,a@example.com"}, "a@example.com is listed twice"},
		{object{"delivery": "s3"}, "delivery=s3: choose none or cloudfront"},
		{object{"delivery": "cloudfront", "destinationBuckets": "finished"}, "delivery=cloudfront needs the media bucket"},
		{object{"delivery": "cloudfront", "kmsKey": "arn:aws:kms:eu-west-1:123456789012:key/0a1b"}, "cannot read what kmsKey encrypts"},
		{object{"corsOrigins": "https://example.com"}, "has no effect without delivery=cloudfront"},
		{object{"delivery": "cloudfront", "corsOrigins": "example.com"}, `corsOrigins: "example.com" is not an origin`},
		{object{"delivery": "cloudfront", "corsOrigins": "https://example.com/"}, "is not an origin"},
	} {
		t.Run(fmt.Sprint(c.context), func(t *testing.T) {
			_, err := parseSettings(c.context)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; want one line with %q", err, c.want)
			}
		})
	}
}

var (
	someTokens = object{"api": "true", "apiIssuer": "https://id.example.com/", "apiAudience": "mapreel", "apiRate": "20", "startOnUpload": "true"}
	somePeople = object{"notify": "ops@example.com,https://hooks.example.com/mapreel?key=1"}
)

func TestEveryRouteOfTheAPIIsAuthorisedAndThrottled(t *testing.T) {
	for kind, context := range map[string]object{"AWS_IAM": {"api": "true"}, "JWT": someTokens} {
		s := synth(t, context)
		var routes []string
		for _, r := range s.of("AWS::ApiGatewayV2::Route") {
			routes = append(routes, props(r)["RouteKey"].(string))
			if got := props(r)["AuthorizationType"]; got != kind {
				t.Errorf("%v is authorised by %v, want %s", props(r)["RouteKey"], got, kind)
			}
		}
		slices.Sort(routes)
		if diff := cmp.Diff([]string{intake.RouteStop, intake.RouteStatus, intake.RouteSubmit}, routes); diff != "" {
			t.Errorf("routes (-want +got):\n%s", diff)
		}
		rate := map[string]float64{"AWS_IAM": 10, "JWT": 20}[kind]
		for name, stage := range s.of("AWS::ApiGatewayV2::Stage") {
			limits, _ := props(stage)["DefaultRouteSettings"].(object)
			if limits["ThrottlingRateLimit"] != rate || limits["ThrottlingBurstLimit"] != 2*rate {
				t.Errorf("%s has the limits %v", name, limits)
			}
		}
		if s.outputs["ApiUrl"] == nil {
			t.Error("the URL is no output of the stack")
		}
	}
	for _, a := range synth(t, someTokens).of("AWS::ApiGatewayV2::Authorizer") {
		want := object{"Issuer": "https://id.example.com/", "Audience": []any{"mapreel"}}
		if diff := cmp.Diff(want, props(a)["JwtConfiguration"]); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
	}
}

// roleStatements returns what a role may do, as "action on resource", sorted.
func (s synthesised) roleStatements(t *testing.T, role string) []string {
	t.Helper()
	var list []string
	for _, st := range s.statements(t, role) {
		for _, a := range st.actions {
			if !strings.HasPrefix(a, "logs:") {
				list = append(list, a)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestTheFunctionsOfTheOutsideMayDoWhatTheyDo(t *testing.T) {
	both := object{"api": "true", "startOnUpload": "true", "notify": "ops@example.com"}
	s := synth(t, both)
	for role, want := range map[string][]string{
		"ApiRole": {
			"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:ListBucket",
			"states:DescribeExecution", "states:StartExecution", "states:StopExecution",
		},
		"UploadRole": {
			"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:ListBucket", "sns:Publish",
			"states:DescribeExecution", "states:StartExecution",
		},
		"NotifyRole": {"dynamodb:GetItem", "dynamodb:Query", "sns:Publish", "states:DescribeExecution"},
	} {
		if diff := cmp.Diff(want, s.roleStatements(t, role)); diff != "" {
			t.Errorf("%s may (-want +got):\n%s", role, diff)
		}
	}
	for id, name := range map[string]string{"Api": "api", "Upload": "upload", "Notify": "notify"} {
		f := props(s.named(t, "AWS::Lambda::Function", id))
		config := f["ImageConfig"].(object)
		if diff := cmp.Diff([]string{program, name}, append(several(config["EntryPoint"]), several(config["Command"])...)); diff != "" {
			t.Errorf("command of %s (-want +got):\n%s", id, diff)
		}
		values := f["Environment"].(object)["Variables"].(object)
		for _, name := range []string{intake.MachineVariable, intake.TableVariable} {
			if resolved(values[name]) == "<nil>" {
				t.Errorf("%s has no %s", id, name)
			}
		}
		for _, name := range []string{intake.SourcesVariable, intake.DestinationsVariable} {
			if list, err := intake.ParsePlaces(resolved(values[name])); err != nil || len(list) != 1 || list[0].Prefix == "" {
				t.Errorf("%s: %s is %v (%v)", id, name, list, err)
			}
		}
	}
}

func TestPeopleAreNotified(t *testing.T) {
	s := synth(t, somePeople)
	got := map[string]string{}
	for _, sub := range s.of("AWS::SNS::Subscription") {
		got[props(sub)["Protocol"].(string)] = resolved(props(sub)["Endpoint"])
	}
	want := map[string]string{"email": "ops@example.com", "https": "https://hooks.example.com/mapreel?key=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
	data, err := json.Marshal(props(s.named(t, "AWS::Events::Rule", "Notified"))["EventPattern"])
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"} {
		if !strings.Contains(string(data), status) {
			t.Errorf("nobody is told of %s: %s", status, data)
		}
	}
	var alarms []string
	for name, a := range s.of("AWS::CloudWatch::Alarm") {
		if actions, _ := props(a)["AlarmActions"].([]any); len(actions) == 1 && strings.HasPrefix(resolved(actions[0]), "Messages") {
			alarms = append(alarms, name[:len(name)-8])
		}
	}
	slices.Sort(alarms)
	if diff := cmp.Diff([]string{"NotCollected", "QueueBlocked", "Throttled"}, alarms); diff != "" {
		t.Errorf("alarms that are sent (-want +got):\n%s", diff)
	}
	var allowed []string
	for _, p := range s.of("AWS::SNS::TopicPolicy") {
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			if e := e.(object); e["Effect"] == "Allow" {
				allowed = append(allowed, fmt.Sprint(e["Principal"], e["Action"], e["Condition"]))
			}
		}
	}
	if want := "[map[Service:cloudwatch.amazonaws.com]sns:Publishmap[StringEquals:map[aws:SourceAccount:map[Ref:AWS::AccountId]]]]"; fmt.Sprint(allowed) != want {
		t.Errorf("the topic's policy allows %v, want %s", allowed, want)
	}
	if n := len(synth(t, object{}).of("AWS::SNS::Topic")); n != 0 {
		t.Errorf("%d topics without the setting notify", n)
	}
}

// An upload's key may have quotes and backslashes, with which an input template is no longer JSON. A function makes the input.
func TestAnUploadIsPassedOnAsItIs(t *testing.T) {
	s := synth(t, object{"startOnUpload": "true"})
	rule := props(s.named(t, "AWS::Events::Rule", "Uploaded"))
	target := rule["Targets"].([]any)[0].(object)
	if target["InputTransformer"] != nil || !strings.HasPrefix(resolved(target["Arn"]), "Upload") {
		t.Errorf("the target is %v", target)
	}
}

func TestOutputsAreDeliveredThroughCloudFrontAlone(t *testing.T) {
	s := synth(t, object{"delivery": "cloudfront", "corsOrigins": "https://films.example.com"})
	d := props(s.named(t, "AWS::CloudFront::Distribution", "Delivery"))["DistributionConfig"].(object)
	for _, o := range d["Origins"].([]any) {
		if o := o.(object); o["OriginPath"] != "/out" || o["OriginAccessControlId"] == nil {
			t.Errorf("an origin has the path %v and the access control %v", o["OriginPath"], o["OriginAccessControlId"])
		}
	}
	policies := map[string]object{}
	for name, p := range s.of("AWS::CloudFront::CachePolicy") {
		policies[name] = props(p)["CachePolicyConfig"].(object)
	}
	lifetime := func(behaviour object) [2]any {
		p := policies[resolved(behaviour["CachePolicyId"])]
		return [2]any{p["MinTTL"], p["DefaultTTL"]}
	}
	segments := d["CacheBehaviors"].([]any)[0].(object)
	if got := lifetime(segments); segments["PathPattern"] != "*.m4s" || got != [2]any{31536000.0, 31536000.0} {
		t.Errorf("%v is cached for %v s", segments["PathPattern"], got)
	}
	if got := lifetime(d["DefaultCacheBehavior"].(object)); got != [2]any{0.0, 60.0} {
		t.Errorf("other files are cached for %v s", got)
	}
	for name, h := range s.of("AWS::CloudFront::ResponseHeadersPolicy") {
		data, err := json.Marshal(props(h))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `"https://films.example.com"`) || strings.Contains(string(data), `"Items":["*"],"AccessControlAllowOrigins"`) {
			t.Errorf("%s is %s", name, data)
		}
	}
	media := props(s.named(t, "AWS::S3::Bucket", "Media"))
	if rules, _ := media["CorsConfiguration"].(object)["CorsRules"].([]any); len(rules) != 1 ||
		!slices.Equal(several(rules[0].(object)["AllowedOrigins"]), []string{"https://films.example.com"}) {
		t.Errorf("the bucket's CORS is %v", media["CorsConfiguration"])
	}
	allowed := 0
	for _, p := range s.of("AWS::S3::BucketPolicy") {
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			st := e.(object)
			principal, _ := st["Principal"].(object)
			if st["Effect"] != "Allow" || principal["Service"] != "cloudfront.amazonaws.com" {
				continue
			}
			allowed++
			if condition := fmt.Sprint(st["Condition"]); st["Action"] != "s3:GetObject" || !strings.Contains(condition, "AWS:SourceArn") {
				t.Errorf("CloudFront may %v under %s", st["Action"], condition)
			}
		}
	}
	if allowed == 0 {
		t.Error("CloudFront may not read the bucket")
	}
	if s.outputs["DeliveryDomain"] == nil {
		t.Error("the domain is no output of the stack")
	}
}
