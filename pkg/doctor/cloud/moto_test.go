package cloud

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/mapreel/mapreel/internal/mototest"
	"github.com/mapreel/mapreel/pkg/doctor"
)

// moto starts moto_server, an independent stand-in for AWS, and returns a region of it.
func moto(t *testing.T) Region {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server, which takes seconds")
	}
	return Region{aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(mototest.Start(t, "doctor --aws is tested on recorded answers only")),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}}
}

// created calls an operation of EC2 that makes something, and returns the text of an element of the answer.
func created(t *testing.T, e *examiner, operation, element string, parameters url.Values) string {
	t.Helper()
	var out struct {
		Inner string `xml:",innerxml"`
	}
	if err := e.ec2(t.Context(), operation, parameters, &out); err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	_, rest, _ := strings.Cut(out.Inner, "<"+element+">")
	id, _, _ := strings.Cut(rest, "<")
	return id
}

// The recorded answers in cloud_test.go were written by hand. moto's are those of another reader of AWS's documentation.
func TestDoctorReadsTheAnswersOfMoto(t *testing.T) {
	r := moto(t)
	ec2 := &examiner{conf: r.conf, region: r.conf.Region}
	vpc := created(t, ec2, "CreateVpc", "vpcId", url.Values{"CidrBlock": {"10.8.0.0/16"}})
	subnet := func(block, zone string) string {
		return created(t, ec2, "CreateSubnet", "subnetId", url.Values{"VpcId": {vpc}, "CidrBlock": {block}, "AvailabilityZone": {zone}})
	}
	o := options()
	o.VPC, o.Subnets = vpc, []string{subnet("10.8.0.0/20", "eu-west-1a"), subnet("10.8.16.0/20", "eu-west-1b")}
	o.Families = []string{"c5", "m5.xlarge", "zz9"}
	levels := func(report doctor.Report, name string) (list []string) {
		for _, c := range report {
			if c.Name == name {
				list = append(list, string(c.Level)+": "+c.Text)
			}
		}
		return list
	}
	expect := func(report doctor.Report, name string, want ...string) {
		t.Helper()
		got := levels(report, name)
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", name, got, want)
			return
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], want[i])
			}
		}
	}
	before := r.Examine(t.Context(), o)
	expect(before, "credentials", "ok: account 123456789012, region eu-west-1")
	expect(before, "instance families", "error: eu-west-1 does not offer zz9")
	expect(before, "GPU families", "ok: g4dn")
	expect(before, "bootstrap", "error: the CDK's bootstrap stack is missing")
	expect(before, "permissions", "ok: ")
	expect(before, "stack", "ok: mapreel is not deployed yet")
	all := "cannot reach s3, dynamodb, ecs, ecs-agent, ecs-telemetry, ecr.api, ecr.dkr, logs"
	expect(before, "subnets",
		"error: functions in "+o.Subnets[0]+" cannot reach s3, dynamodb", "error: instances of Batch in "+o.Subnets[0]+" "+all,
		"error: functions in "+o.Subnets[1]+" cannot reach s3, dynamodb", "error: instances of Batch in "+o.Subnets[1]+" "+all)
	expect(before, "network", "error: "+vpc+" has enableDnsHostnames switched off")

	// A NAT gateway for one, endpoints for the other.
	table := func(subnet string) string {
		id := created(t, ec2, "CreateRouteTable", "routeTableId", url.Values{"VpcId": {vpc}})
		created(t, ec2, "AssociateRouteTable", "associationId", url.Values{"RouteTableId": {id}, "SubnetId": {subnet}})
		return id
	}
	nat := created(t, ec2, "CreateNatGateway", "natGatewayId", url.Values{"SubnetId": {o.Subnets[0]}, "ConnectivityType": {"private"}})
	created(t, ec2, "CreateRoute", "return", url.Values{"RouteTableId": {table(o.Subnets[0])}, "DestinationCidrBlock": {"0.0.0.0/0"}, "NatGatewayId": {nat}})
	second := table(o.Subnets[1])
	for _, service := range calledByFunctions {
		created(t, ec2, "CreateVpcEndpoint", "vpcEndpointId", url.Values{
			"VpcId": {vpc}, "VpcEndpointType": {"Gateway"}, "ServiceName": {"com.amazonaws.eu-west-1." + service}, "RouteTableId.1": {second},
		})
	}
	for _, service := range calledByInstances {
		created(t, ec2, "CreateVpcEndpoint", "vpcEndpointId", url.Values{
			"VpcId": {vpc}, "VpcEndpointType": {"Interface"}, "ServiceName": {"com.amazonaws.eu-west-1." + service},
			"SubnetId.1": {o.Subnets[1]}, "PrivateDnsEnabled": {"true"},
		})
	}
	created(t, ec2, "ModifyVpcAttribute", "return", url.Values{"VpcId": {vpc}, "EnableDnsHostnames.Value": {"true"}})
	o.Families = o.Families[:2]
	_, err := cloudformation.NewFromConfig(r.conf).CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String("CDKToolkit"),
		TemplateBody: aws.String(`{"Resources": {"Version": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/cdk-bootstrap/hnb659fds/version", "Type": "String", "Value": "25"}}},
			"Outputs": {"BootstrapVersion": {"Value": "25"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	after := r.Examine(t.Context(), o)
	expect(after, "instance families", "ok: c5, m5.xlarge")
	expect(after, "subnets", "ok: "+strings.Join(o.Subnets, ", "))
	expect(after, "network")
	expect(after, "bootstrap", "ok: version 25")
}
