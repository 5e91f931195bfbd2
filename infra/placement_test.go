package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someNetwork are settings that name an existing network.
var someNetwork = object{"vpc": "vpc-0a1b2c3d4e5f60718", "subnets": "subnet-0a1b2c3d4e5f60718,subnet-1a1b2c3d4e5f60718"}

func TestABadPlacementIsOneClearError(t *testing.T) {
	for _, c := range []struct {
		context object
		want    string
	}{
		{object{"stackName": "my stack"}, "stackName=my stack: give letters, digits and hyphens"},
		{object{"stackName": "2nd"}, "a letter first"},
		{object{"stackName": strings.Repeat("a", 129)}, "at most 128"},
		{object{"vpc": "main", "subnets": "subnet-0a1b2c3d"}, "vpc=main: give the ID of a network"},
		{object{"vpc": "vpc-0a1b2c3d", "subnets": "private-a"}, `subnets: "private-a" is not the ID of a subnet`},
		{object{"vpc": "vpc-0a1b2c3d", "subnets": "subnet-0a1b2c3d,subnet-0a1b2c3d"}, "subnet-0a1b2c3d is listed twice"},
		{object{"vpc": "vpc-0a1b2c3d"}, "vpc and subnets belong together"},
		{object{"subnets": "subnet-0a1b2c3d"}, "vpc and subnets belong together"},
		{object{"vpc": "vpc-0a1b2c3d", "subnets": "subnet-0a1b2c3d", "cidr": "10.1.0.0/16"}, "the network exists and has its range"},
		{object{"vpc": "vpc-0a1b2c3d", "subnets": "subnet-0a1b2c3d", "batchNetwork": "public"}, "leave out batchNetwork or vpc"},
		{object{"vpc": "vpc-0a1b2c3d", "subnets": "subnet-0a1b2c3d", "scratch": "s3"}, "this deployment needs no network"},
		{object{"cidr": "10.1.0.0/16", "scratch": "s3"}, "this deployment needs no network"},
		{object{"cidr": "10.1.0.0"}, "give a range of IPv4 addresses from /16 to /24"},
		{object{"cidr": "10.0.0.0/8"}, "from /16 to /24"},
		{object{"cidr": "10.1.0.0/25"}, "from /16 to /24"},
		{object{"cidr": "fd00::/16"}, "give a range of IPv4 addresses"},
		{object{"cidr": "10.1.2.3/16"}, "the range begins at 10.1.0.0/16"},
		{object{"cidr": "172.17.4.0/22"}, "172.17.0.0/16 is Docker's own"},
		{object{"logRetention": "31"}, "logRetention=31: choose one of 1, 3, 5, 7, 14, 30, 60,"},
		{object{"logRetention": "never"}, "choose one of"},
		{object{"tags": "team"}, `tags: "team" is not a tag; give key=value`},
		{object{"tags": "team=a,team=b"}, "team is given twice"},
		{object{"tags": "aws:team=a"}, "aws:team is set already"},
		{object{"tags": "project=a"}, "project is set already"},
		{object{"tags": "mapreel:job=a"}, "mapreel:job is set already"},
		{object{"tags": "team=a;b"}, "is not a tag"},
	} {
		t.Run(fmt.Sprint(c.context), func(t *testing.T) {
			_, err := parseSettings(c.context)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; want one line with %q", err, c.want)
			}
		})
	}
}

func TestTooManyTagsAreRefused(t *testing.T) {
	var list []string
	for i := range maxTags + 1 {
		list = append(list, fmt.Sprintf("k%d=v", i))
	}
	if _, err := parseSettings(object{"tags": strings.Join(list[:maxTags], ",")}); err != nil {
		t.Error(err)
	}
	if _, err := parseSettings(object{"tags": strings.Join(list, ",")}); err == nil || !strings.Contains(err.Error(), "41 tags") {
		t.Errorf("error %v", err)
	}
}

func TestPlacementIsRead(t *testing.T) {
	got, err := parseSettings(object{
		"stackName": "films", "tags": "team=video, cost-center=42", "logRetention": "14", "cidr": "10.8.0.0/20",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := placement{
		stackName: "films", tags: []tag{{"team", "video"}, {"cost-center", "42"}}, logDays: 14, cidr: netip.MustParsePrefix("10.8.0.0/20"),
	}
	if diff := cmp.Diff(want, got.placement, cmp.AllowUnexported(placement{}, tag{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("placement (-want +got):\n%s", diff)
	}
}

func TestTwoStacksOfARegionShareNoName(t *testing.T) {
	first, second := synth(t, object{}), synth(t, object{"stackName": "second"})
	names := func(s synthesised) map[string]bool {
		found := map[string]bool{}
		for logical, r := range s.resources {
			for field, v := range props(r) {
				name, fixed := v.(string)
				if fixed && strings.HasSuffix(field, "Name") && field != "PolicyName" && field != "MetricName" { // a policy's is its role's
					found[name] = true
					t.Logf("%s %s: %s", logical, field, name)
				}
			}
		}
		return found
	}
	a, b := names(first), names(second)
	if len(a) < 2 {
		t.Errorf("found only the names %v", a)
	}
	for name := range a {
		if b[name] {
			t.Errorf("both stacks have a resource called %s", name)
		}
	}
}

func TestARangeOfAddressesIsDividedAmongTheSubnets(t *testing.T) {
	s := synth(t, object{"cidr": "10.8.0.0/20"})
	whole := netip.MustParsePrefix("10.8.0.0/20")
	var blocks []netip.Prefix
	for name, subnet := range s.of("AWS::EC2::Subnet") {
		block, err := netip.ParsePrefix(props(subnet)["CidrBlock"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if !whole.Contains(block.Addr()) {
			t.Errorf("%s has %v, which is not in %v", name, block, whole)
		}
		if slices.ContainsFunc(blocks, block.Overlaps) {
			t.Errorf("%s overlaps another subnet", name)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) != 4 {
		t.Errorf("%d subnets, want an isolated and a public one in each of two zones", len(blocks))
	}
	for _, v := range s.of("AWS::EC2::VPC") {
		if props(v)["CidrBlock"] != whole.String() {
			t.Errorf("the network has %v", props(v)["CidrBlock"])
		}
	}
}

func TestAnExistingNetworkIsUsedAndNothingInItMade(t *testing.T) {
	s := synth(t, someNetwork)
	for _, kind := range []string{"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::Route", "AWS::EC2::RouteTable", "AWS::EC2::VPCEndpoint", "AWS::EC2::InternetGateway"} {
		for name := range s.of(kind) {
			t.Errorf("%s is a new %s", name, kind)
		}
	}
	want := split(someNetwork["subnets"].(string))
	var mounts []string
	for _, m := range s.of("AWS::EFS::MountTarget") {
		mounts = append(mounts, props(m)["SubnetId"].(string))
	}
	slices.Sort(mounts)
	if diff := cmp.Diff(want, mounts); diff != "" {
		t.Errorf("mount targets (-want +got):\n%s", diff)
	}
	functions := 0
	for name, f := range s.of("AWS::Lambda::Function") {
		config, ok := props(f)["VpcConfig"].(object)
		if !ok {
			continue
		}
		functions++
		if diff := cmp.Diff(want, several(config["SubnetIds"])); diff != "" {
			t.Errorf("subnets of %s (-want +got):\n%s", name, diff)
		}
	}
	if functions == 0 {
		t.Error("no function is in the network")
	}
	for name, e := range s.of("AWS::Batch::ComputeEnvironment") {
		if diff := cmp.Diff(want, several(props(e)["ComputeResources"].(object)["Subnets"])); diff != "" {
			t.Errorf("subnets of %s (-want +got):\n%s", name, diff)
		}
	}
	for name, g := range s.of("AWS::EC2::SecurityGroup") {
		if props(g)["VpcId"] != someNetwork["vpc"] {
			t.Errorf("%s is in %v", name, props(g)["VpcId"])
		}
	}
}

func TestLogsAndTagsFollowTheSettings(t *testing.T) {
	s := synth(t, object{"logRetention": "7", "tags": "team=video"})
	for name, l := range s.of("AWS::Logs::LogGroup") {
		if props(l)["RetentionInDays"] != float64(7) {
			t.Errorf("%s keeps lines for %v days", name, props(l)["RetentionInDays"])
		}
	}
	for _, kind := range []string{"AWS::S3::Bucket", "AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::Batch::JobDefinition"} {
		for name, r := range s.of(kind) {
			if strings.HasPrefix(name, "CustomS3AutoDelete") {
				continue // the CDK's own
			}
			data, err := json.Marshal(props(r)["Tags"])
			if err != nil {
				t.Fatal(err)
			}
			if text := string(data); !strings.Contains(text, "team") || !strings.Contains(text, "video") {
				t.Errorf("%s has the tags %s", name, text)
			}
		}
	}
	for name, e := range s.of("AWS::Batch::ComputeEnvironment") { // its instances
		if tags, _ := props(e)["ComputeResources"].(object)["Tags"].(object); tags["team"] != "video" || tags["project"] != "mapreel" {
			t.Errorf("instances of %s have the tags %v", name, tags)
		}
	}
}

// The Service Authorization Reference asks for batch:TagResource where a job is submitted with tags.
func TestTheMachineMayTagTheJobsThatItSubmits(t *testing.T) {
	s := synth(t, object{})
	for _, st := range s.statements(t, "MachineRole") {
		if slices.Contains(st.actions, "batch:TagResource") && strings.HasSuffix(st.resources[0], ":job/*") {
			return
		}
	}
	t.Error("the machine may not tag jobs")
}

func TestEverySettingIsInTheDocumentation(t *testing.T) {
	p := parser{values: object{"nothing": "1"}}
	_, err := parseSettings(p.values)
	if err == nil {
		t.Fatal("an unknown setting is accepted")
	}
	_, list, _ := strings.Cut(err.Error(), "the choices are: ")
	page, err := os.ReadFile("../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(list, ", ")
	if len(names) < 10 {
		t.Fatalf("found only the settings %v", names)
	}
	documented := regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(string(page), -1)
	var rows []string
	for _, row := range documented {
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			rows = append(rows, name[1])
		}
	}
	for _, extension := range sourceExtensions {
		if !regexp.MustCompile(`\.` + extension + `\b`).Match(page) {
			t.Errorf("docs/aws.md does not say that .%s starts a job", extension)
		}
	}
	for _, name := range names {
		if !slices.Contains(rows, name) {
			t.Errorf("docs/aws.md has no row for -c %s", name)
		}
	}
}
