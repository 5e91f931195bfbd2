package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/mapreel/mapreel/pkg/doctor"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/statemachine"
)

const (
	someMachine = "arn:aws:states:eu-west-1:123456789012:stateMachine:mapreel"
	someName    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel:v1"
	someImage   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel@sha256:0a"
)

// answers are what the services answer, in their own forms, by operation: an error begins with its status code. The operations
// of one service that are told apart by a parameter have it after a space.
type answers map[string]string

// good are the answers of an account in which everything is well and the stack is deployed.
func good(t *testing.T) answers {
	t.Helper()
	arn := func(name string) string { return "arn:aws:lambda:eu-west-1:123456789012:function:" + name + ":1" }
	definition, err := statemachine.Substitute(statemachine.Resources{
		Partition: "aws", Analyse: arn("analyse"), Finish: arn("finish"),
		Functions:  map[string]string{"split": arn("split"), "encode": arn("encode"), "audio": arn("audio"), "merge": arn("merge")},
		BatchQueue: "arn:aws:batch:eu-west-1:123456789012:job-queue/cpu", GpuQueue: statemachine.Absent,
		JobDefinitions: map[string]string{"encode": jobDefinitionARN("encode:3"), "merge": jobDefinitionARN("merge:1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	machine, err := json.Marshal(map[string]any{"stateMachineArn": someMachine, "definition": string(definition), "status": "ACTIVE"})
	if err != nil {
		t.Fatal(err)
	}
	quota := func(value string) string { return `{"Quota":{"ServiceCode":"ec2","Value":` + value + `}}` }
	return answers{
		"GetCallerIdentity":                `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ops</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
		"AssumeRole":                       `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey><SessionToken>C</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		"GET /2016-08-19/account-settings": `{"AccountLimit":{"ConcurrentExecutions":1000,"UnreservedConcurrentExecutions":900}}`,
		"DescribeInstanceTypeOfferings":    offerings("c7i.large", "c7a.large", "g4dn.xlarge"),
		"DescribeJobDefinitions":           jobDefinitions(someName, "encode:3", "merge:1"),
		"DescribeVpcAttribute":             `<DescribeVpcAttributeResponse><enableDnsSupport><value>true</value></enableDnsSupport></DescribeVpcAttributeResponse>`,
		"DescribeSubnets":                  subnets("subnet-0a", "eu-west-1a", "subnet-0b", "eu-west-1b"),
		"DescribeRouteTables":              routes("0.0.0.0/0", "<natGatewayId>nat-0a</natGatewayId>"),
		"DescribeVpcEndpoints":             `<DescribeVpcEndpointsResponse><vpcEndpointSet/></DescribeVpcEndpointsResponse>`,
		"GetServiceQuota L-1216C47A":       quota("640"), "GetServiceQuota L-34B43A08": quota("256"),
		"GetServiceQuota L-DB2E81BA": quota("64"), "GetServiceQuota L-3819A6DF": quota("64"),
		"DescribeStacks CDKToolkit": stackXML("CREATE_COMPLETE", "BootstrapVersion", "25"),
		"DescribeStacks mapreel":    stackXML("UPDATE_COMPLETE", "StateMachineArn", someMachine),
		"DescribeStateMachine":      string(machine),
		"GetFunction":               `{"Code":{"ImageUri":"` + someName + `","ResolvedImageUri":"` + someImage + `"},"Configuration":{}}`,
		"BatchGetImage":             `{"images":[{"imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json"}]}`,
	}
}

func jobDefinitionARN(name string) string {
	return "arn:aws:batch:eu-west-1:123456789012:job-definition/" + name
}

func jobDefinitions(image string, names ...string) string {
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf(`{"jobDefinitionArn":%q,"status":"ACTIVE","containerProperties":{"image":%q}}`, jobDefinitionARN(name), image))
	}
	return `{"jobDefinitions":[` + strings.Join(list, ",") + `]}`
}

func offerings(types ...string) string {
	return "<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet><item><instanceType>" +
		strings.Join(types, "</instanceType></item><item><instanceType>") + "</instanceType></item></instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>"
}

// subnets are pairs of ID and zone, in vpc-0a.
func subnets(pairs ...string) string {
	text := "<DescribeSubnetsResponse><subnetSet>"
	for i := 0; i < len(pairs); i += 2 {
		text += "<item><subnetId>" + pairs[i] + "</subnetId><vpcId>vpc-0a</vpcId><availabilityZone>" + pairs[i+1] +
			"</availabilityZone><mapPublicIpOnLaunch>true</mapPublicIpOnLaunch></item>"
	}
	return text + "</subnetSet></DescribeSubnetsResponse>"
}

// routes is the main route table, with one route.
func routes(to, by string) string {
	return "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-0a</routeTableId><associationSet><item><main>true</main></item></associationSet>" +
		"<routeSet><item><destinationCidrBlock>" + to + "</destinationCidrBlock>" + by + "<state>active</state></item></routeSet></item></routeTableSet></DescribeRouteTablesResponse>"
}

func stackXML(status, output, value string) string {
	return fmt.Sprintf(`<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName><StackStatus>%s</StackStatus>`+
		`<Outputs><member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
		status, output, value)
}

// denied is the answer of a service that speaks XML to what these credentials may not do.
const denied = `403 <ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>`

// absent is what CloudFormation answers for a stack that does not exist.
const absent = `400 <ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack does not exist</Message></Error></ErrorResponse>`

// region returns an account that gives these answers.
func (a answers) region(t *testing.T) Region {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		_, target, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		operation, parameter := form.Get("Action")+target, form.Get("StackName")
		var fields struct{ QuotaCode string }
		if json.Unmarshal(body, &fields) == nil {
			parameter += fields.QuotaCode
		}
		if operation == "" && strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/") {
			operation, parameter = "GetFunction", r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		}
		if strings.HasSuffix(r.URL.Path, "/describejobdefinitions") {
			operation, parameter = "DescribeJobDefinitions", ""
		}
		if operation == "" {
			operation = r.Method + " " + strings.TrimSuffix(r.URL.Path, "/")
		}
		text, ok := a[operation+" "+parameter]
		if !ok {
			text, ok = a[operation]
		}
		if !ok {
			t.Errorf("an operation is called that has no answer: %q %q", operation, parameter)
		}
		if text[0] >= '4' && text[0] <= '5' && text[3] == ' ' {
			if _, code, found := strings.Cut(text, `"__type":"`); found {
				code, _, _ = strings.Cut(code, `"`)
				w.Header().Set("X-Amzn-Errortype", code)
			}
			code := map[string]int{"400": 400, "403": 403, "404": 404}[text[:3]]
			w.WriteHeader(code)
			text = text[4:]
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	return Region{aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}}
}

func options() Options {
	return Options{
		Stack: "mapreel", Definition: statemachine.Definition(), Docker: func(context.Context) error { return nil },
		Files: true, Batch: true, GPU: true, Families: []string{"default_x86_64"}, GPUFamilies: []string{"g4dn"},
	}
}

func check(t *testing.T, r doctor.Report, name string) doctor.Check {
	t.Helper()
	for _, c := range r {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check of %s in %+v", name, r)
	return doctor.Check{}
}

func TestAGoodAccountHasNothingMissing(t *testing.T) {
	r := good(t).region(t).Examine(t.Context(), options())
	for _, c := range r {
		if c.Level != doctor.OK {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{
		"credentials", "function concurrency", "function memory", "instance families", "GPU families", "On-Demand vCPUs", "Spot vCPUs",
		"On-Demand GPU vCPUs", "Spot GPU vCPUs", "bootstrap", "permissions", "image", "stack", "state machine", "functions", "job definitions",
	} {
		check(t, r, name)
	}
	if c := check(t, r, "job definitions"); c.Text != "2, with the image of the functions" {
		t.Errorf("%+v", c)
	}
	o := options()
	o.VPC, o.Subnets, o.Families = "vpc-0a", []string{"subnet-0a", "subnet-0b"}, []string{"c7i", "c7a.large"}
	for _, c := range good(t).region(t).Examine(t.Context(), o) {
		if c.Level != doctor.OK {
			t.Errorf("with a network: %+v", c)
		}
	}
	if c := check(t, r, "functions"); c.Text != "6, all with "+someImage {
		t.Errorf("%+v", c)
	}
}

func TestWhatIsMissingInAnAccountIsNamedWithTheWayToGetIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers answers
		options func(*Options)
		check   string
		level   doctor.Level
		text    string
		hint    string
	}{
		{"credentials", answers{"GetCallerIdentity": denied}, nil, "credentials", doctor.Failure, "AccessDenied", "aws sso login"},
		{
			"a new account",
			answers{"GET /2016-08-19/account-settings": `{"AccountLimit":{"ConcurrentExecutions":10,"UnreservedConcurrentExecutions":10}}`},
			nil,
			"function concurrency", doctor.Warning, "10, of which 10", "-c functionConcurrency=10",
		},
		{
			"no function left",
			answers{"GET /2016-08-19/account-settings": `{"AccountLimit":{"ConcurrentExecutions":100,"UnreservedConcurrentExecutions":0}}`},
			nil,
			"function concurrency", doctor.Failure, "of which 0", "throttled",
		},
		{"much memory", nil, func(o *Options) { o.Memory = 10240 }, "function memory", doctor.Warning, "10240", "functionMemory=3008"},
		{
			"a family", nil, func(o *Options) { o.Families = []string{"optimal", "c7i", "m7a", "c7a.metal"} },
			"instance families", doctor.Failure, "eu-west-1 does not offer m7a, c7a.metal", "leave them out of instanceFamilies, or set it to default_x86_64",
		},
		{"a GPU family", nil, func(o *Options) { o.GPUFamilies = []string{"g4dn", "g6"} }, "GPU families", doctor.Failure, "does not offer g6", "gpuInstanceFamilies"},
		{
			"the right to see families",
			answers{"DescribeInstanceTypeOfferings": `403 <Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>`},
			nil,
			"GPU families", doctor.Warning, "unknown: UnauthorizedOperation", "allow ec2:DescribeInstanceTypeOfferings",
		},
		{
			"a subnet",
			answers{"DescribeSubnets": `400 <Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>none</Message></Error></Errors></Response>`},
			withNetwork, "subnets", doctor.Failure, "InvalidSubnetID.NotFound", "this account and region",
		},
		{
			"a zone",
			answers{"DescribeSubnets": subnets("subnet-0a", "eu-west-1a", "subnet-0b", "eu-west-1a")},
			withNetwork, "subnets", doctor.Failure, "subnet-0a and subnet-0b are both in the zone eu-west-1a", "leave one of them out",
		},
		{
			"the network", nil, func(o *Options) { withNetwork(o); o.VPC = "vpc-0b" },
			"subnets", doctor.Failure, "subnet-0a is in vpc-0a, not in vpc-0b", "one network",
		},
		{
			"a way out for functions, which have no public address",
			answers{"DescribeRouteTables": routes("0.0.0.0/0", "<gatewayId>igw-0a</gatewayId>")},
			withNetwork, "subnets", doctor.Failure, "functions in subnet-0a cannot reach s3, dynamodb", "NAT gateway, or endpoints",
		},
		{
			"a way out for instances",
			answers{"DescribeRouteTables": routes("10.0.0.0/16", "<gatewayId>local</gatewayId>")},
			func(o *Options) { withNetwork(o); o.Files = false }, "subnets", doctor.Failure, "instances of Batch in subnet-0a cannot reach s3, dynamodb, ecs,", "NAT gateway",
		},
		{
			"names",
			answers{"DescribeVpcAttribute": `<DescribeVpcAttributeResponse><enableDnsSupport><value>false</value></enableDnsSupport></DescribeVpcAttributeResponse>`},
			withNetwork, "network", doctor.Failure, "enableDnsSupport switched off", "modify-vpc-attribute --vpc-id vpc-0a --enable-dns-support",
		},
		{
			"the image of Batch",
			answers{"DescribeJobDefinitions": jobDefinitions("other:v0", "encode:3", "merge:1")},
			nil,
			"job definitions", doctor.Failure, "different images: 2 with other:v0, 6 with", "deploy again",
		},
		{
			"a revision",
			answers{"DescribeJobDefinitions": jobDefinitions(someName, "encode:3")},
			nil,
			"job definitions", doctor.Failure, "names 2, of which 1 can be submitted", "deploy again",
		},
		{"a Spot quota", answers{"GetServiceQuota L-34B43A08": `{"Quota":{"Value":0}}`}, nil, "Spot vCPUs", doctor.Warning, "0, too few", "L-34B43A08"},
		{
			"both GPU quotas",
			answers{"GetServiceQuota L-DB2E81BA": `{"Quota":{"Value":0}}`, "GetServiceQuota L-3819A6DF": `{"Quota":{"Value":0}}`},
			nil,
			"Spot GPU vCPUs", doctor.Failure, "0, too few", "no Batch job can ever start",
		},
		{
			"the right to see quotas",
			answers{"GetServiceQuota L-1216C47A": `400 {"__type":"AccessDeniedException","Message":"no"}`},
			nil,
			"On-Demand vCPUs", doctor.Warning, "unknown", "allow servicequotas:GetServiceQuota",
		},
		{"bootstrap", answers{"DescribeStacks CDKToolkit": absent}, nil, "bootstrap", doctor.Failure, "missing", "npx cdk bootstrap aws://123456789012/eu-west-1"},
		{
			"an old bootstrap",
			answers{"DescribeStacks CDKToolkit": stackXML("CREATE_COMPLETE", "BootstrapVersion", "5")},
			nil,
			"bootstrap", doctor.Failure, "version 5; at least 6", "npx cdk bootstrap",
		},
		{"permissions", answers{"AssumeRole": denied}, nil, "permissions", doctor.Failure, "deploy-role, file-publishing-role, image-publishing-role", "--policy"},
		{
			"Docker", nil, func(o *Options) {
				o.Docker = func(context.Context) error { return errors.New("docker is not installed") }
			},
			"image", doctor.Failure, "docker is not installed", "--image-uri",
		},
		{"an image elsewhere", nil, func(o *Options) { o.ImageURI = strings.Replace(someName, "eu-west-1", "us-east-1", 1) }, "image", doctor.Failure, "is in us-east-1", "eu-west-1"},
		{
			"an image",
			answers{"BatchGetImage": `{"images":[],"failures":[{"failureCode":"ImageNotFound"}]}`},
			func(o *Options) { o.ImageURI = someName },
			"image", doctor.Failure, "does not exist", "push it",
		},
		{
			"a repository",
			answers{"BatchGetImage": `400 {"__type":"RepositoryNotFoundException","message":"no"}`},
			func(o *Options) { o.ImageURI = someName },
			"image", doctor.Failure, "does not exist", "push it",
		},
		{
			"an image with attestations",
			answers{"BatchGetImage": `{"images":[{"imageManifestMediaType":"application/vnd.oci.image.index.v1+json"}]}`},
			func(o *Options) { o.ImageURI = someName }, "image", doctor.Failure, "index of images", "--provenance=false",
		},
		{
			"a failed deploy",
			answers{"DescribeStacks mapreel": stackXML("UPDATE_ROLLBACK_COMPLETE", "StateMachineArn", someMachine)},
			nil,
			"stack", doctor.Failure, "UPDATE_ROLLBACK_COMPLETE", "deploy again",
		},
		{"another's stack", answers{"DescribeStacks mapreel": stackXML("UPDATE_COMPLETE", "Url", "x")}, nil, "stack", doctor.Failure, "not mapreel's", "--stack"},
		{
			"the machine",
			answers{"DescribeStateMachine": `400 {"__type":"StateMachineDoesNotExist","message":"no"}`},
			nil,
			"state machine", doctor.Failure, "does not exist", "deploy it again",
		},
		{
			"this version",
			answers{"DescribeStateMachine": `{"definition":"{\"Comment\":\"arn:aws:lambda:eu-west-1:123456789012:function:encode:1\"}"}`},
			nil,
			"state machine", doctor.Warning, "not this program's", "deploy again",
		},
		{
			"one image",
			answers{"GetFunction arn:aws:lambda:eu-west-1:123456789012:function:merge:1": `{"Code":{"ResolvedImageUri":"other"}}`},
			nil,
			"functions", doctor.Failure, "different images: 1 with other, 5 with", "deploy again",
		},
		{"a function", answers{"GetFunction": `404 {"__type":"ResourceNotFoundException","Message":"no"}`}, nil, "functions", doctor.Failure, "does not exist", "deploy again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, o := good(t), options()
			maps.Copy(a, c.answers)
			if c.options != nil {
				c.options(&o)
			}
			got := check(t, a.region(t).Examine(t.Context(), o), c.check)
			if got.Level != c.level || !strings.Contains(got.Text, c.text) || !strings.Contains(got.Hint, c.hint) {
				t.Errorf("%+v\nwant %s with %q and %q", got, c.level, c.text, c.hint)
			}
		})
	}
}

func withNetwork(o *Options) { o.VPC, o.Subnets = "vpc-0a", []string{"subnet-0a", "subnet-0b"} }

func TestBeforeADeployThereIsNoStack(t *testing.T) {
	a := good(t)
	a["DescribeStacks mapreel"] = absent
	o := options()
	o.GPU = false
	r := a.region(t).Examine(t.Context(), o)
	if c := check(t, r, "stack"); c.Level != doctor.OK || c.Text != "mapreel is not deployed yet" {
		t.Errorf("%+v", c)
	}
	if r.Failed() {
		t.Errorf("%+v", r)
	}
	for _, c := range r {
		if strings.Contains(c.Name, "GPU") {
			t.Errorf("without a GPU: %+v", c)
		}
	}
}

// Quotas of instances say nothing about a deployment of functions alone.
func TestQuotasOfInstancesAreAskedForBatchAlone(t *testing.T) {
	o := options()
	o.Batch, o.GPU = false, false
	for _, c := range good(t).region(t).Examine(t.Context(), o) {
		if strings.Contains(c.Name, "vCPUs") {
			t.Errorf("without Batch: %+v", c)
		}
	}
}

func TestWithoutARegionNothingIsAsked(t *testing.T) {
	r := Region{}.Examine(t.Context(), options())
	if len(r) != 1 || r[0].Level != doctor.Failure || r[0].Hint == "" {
		t.Errorf("%+v", r)
	}
	if _, err := (Region{}).Policy(t.Context()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("error %v", err)
	}
}

func TestThePolicyNamesTheRolesOfTheBootstrapStackAndEveryCall(t *testing.T) {
	text, err := good(t).region(t).Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Version   string
		Statement []struct{ Action, Resource []string }
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Version != "2012-10-17" {
		t.Fatalf("%v: %s", err, text)
	}
	if want := "arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role-123456789012-eu-west-1"; p.Statement[0].Resource[0] != want {
		t.Errorf("resources %v", p.Statement[0].Resource)
	}
	for _, action := range []string{
		"batch:DescribeJobDefinitions", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeRouteTables", "ec2:DescribeSubnets",
		"ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints", "cloudformation:DescribeStacks", "ecr:BatchGetImage", "lambda:GetAccountSettings",
		"lambda:GetFunction", "servicequotas:GetServiceQuota", "states:DescribeStateMachine",
	} {
		if !strings.Contains(text, `"`+action+`"`) {
			t.Errorf("the policy has no %s", action)
		}
	}
}

func TestADefinitionIsRecognisedByWhatStandsBetweenItsPlaceholders(t *testing.T) {
	const template = `{"a": "${Analyse}", "b": ${Functions}}`
	for text, want := range map[string]bool{
		`{"a": "arn:x", "b": {"encode": "arn:y"}}`:  true,
		`{"a": "arn:x", "b": {"}"}}`:                true,
		`{"a": "arn:x", "c": {"encode": "arn:y"}}`:  false,
		`{"a": "arn:x", "b": {"encode": "arn:y"}} `: false,
		` {"a": "arn:x", "b": {}}`:                  false,
		``:                                          false,
	} {
		if got := matches(template, text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
