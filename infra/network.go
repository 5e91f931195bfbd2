package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
)

// network is where functions with a file system and the instances of Batch run. It costs nothing at
// rest except for the interface endpoints of batchNetwork=isolated.
type network struct {
	vpc     awsec2.IVpc
	workers awsec2.SecurityGroup // of functions and instances: no inbound rule
	// isolated has routes to the gateway endpoints of S3 and DynamoDB, and no others.
	isolated *awsec2.SubnetSelection
	// batch is where instances run: isolated, or public, where hosts have addresses but no open port.
	batch *awsec2.SubnetSelection
}

// newNetwork returns nil where neither a file system nor Batch needs a network.
func newNetwork(stack awscdk.Stack, chosen settings) *network {
	if chosen.scratch != "efs" && !chosen.batch {
		return nil
	}
	if chosen.vpc != "" {
		return existingNetwork(stack, chosen)
	}
	isolatedMask, publicMask := chosen.masks()
	isolated := &awsec2.SubnetSelection{SubnetGroupName: jsii.String("isolated")}
	groups := []*awsec2.SubnetConfiguration{{
		Name: jsii.String("isolated"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED,
		CidrMask: jsii.Number(isolatedMask),
	}}
	batch := isolated
	if chosen.batch && chosen.batchNetwork == "public" {
		batch = &awsec2.SubnetSelection{SubnetGroupName: jsii.String("public")}
		groups = append(groups, &awsec2.SubnetConfiguration{
			Name: jsii.String("public"), SubnetType: awsec2.SubnetType_PUBLIC,
			CidrMask: jsii.Number(publicMask), MapPublicIpOnLaunch: jsii.Bool(true),
		})
	}
	vpc := awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
		IpAddresses:         awsec2.IpAddresses_Cidr(jsii.String(chosen.cidr.String())),
		MaxAzs:              jsii.Number(2),
		NatGateways:         jsii.Number(0), // no worker needs the internet enough to pay by the hour
		SubnetConfiguration: &groups,
		GatewayEndpoints: &map[string]*awsec2.GatewayVpcEndpointOptions{
			"S3":       {Service: awsec2.GatewayVpcEndpointAwsService_S3()},
			"DynamoDB": {Service: awsec2.GatewayVpcEndpointAwsService_DYNAMODB()},
		},
	})
	excuse(vpc, "VPC7", "Workers have no inbound route and reach AWS services only; flow logs of thousands of short-lived "+
		"functions cost more than they are worth. An account that must keep them can add them to the network.")
	n := &network{vpc: vpc, isolated: isolated, batch: batch, workers: newWorkersGroup(stack, vpc)}
	var services []service
	if chosen.batch && chosen.batchNetwork == "isolated" {
		services = append(services,
			service{"Ecs", awsec2.InterfaceVpcEndpointAwsService_ECS()},
			service{"EcsAgent", awsec2.InterfaceVpcEndpointAwsService_ECS_AGENT()},
			service{"EcsTelemetry", awsec2.InterfaceVpcEndpointAwsService_ECS_TELEMETRY()},
			service{"EcrApi", awsec2.InterfaceVpcEndpointAwsService_ECR()},
			service{"EcrDocker", awsec2.InterfaceVpcEndpointAwsService_ECR_DOCKER()},
			service{"Logs", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS()},
		)
		services = append(services, chosen.secretServices()...)
	}
	if chosen.sliceEvents && (chosen.scratch == "efs" || chosen.batchNetwork == "isolated") {
		services = append(services, service{"Events", awsec2.InterfaceVpcEndpointAwsService_EVENTBRIDGE()})
	}
	if len(services) > 0 {
		n.endpoints(stack, services)
	}
	return n
}

// service is one of AWS that workers without a route out reach through an endpoint, which is charged by the hour.
type service struct {
	name     string
	endpoint awsec2.InterfaceVpcEndpointAwsService
}

// existingNetwork takes the subnets that the deployment names. What they reach is theirs to say: S3 and DynamoDB, and for the
// instances of Batch also ECS, ECR and CloudWatch Logs.
func existingNetwork(stack awscdk.Stack, chosen settings) *network {
	vpc := awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Network"), &awsec2.VpcAttributes{
		VpcId:             jsii.String(chosen.vpc),
		AvailabilityZones: awscdk.Fn_GetAzs(nil), // required, and used by nothing: all resources name the subnets
	})
	var subnets []awsec2.ISubnet
	for i, id := range chosen.subnets {
		subnets = append(subnets, awsec2.Subnet_FromSubnetId(stack, jsii.String(fmt.Sprint("Subnet", i)), jsii.String(id)))
	}
	selected := &awsec2.SubnetSelection{Subnets: &subnets}
	return &network{vpc: vpc, isolated: selected, batch: selected, workers: newWorkersGroup(stack, vpc)}
}

func newWorkersGroup(stack awscdk.Stack, vpc awsec2.IVpc) awsec2.SecurityGroup {
	workers := awsec2.NewSecurityGroup(stack, jsii.String("Workers"), &awsec2.SecurityGroupProps{
		Vpc: vpc, Description: jsii.String("mapreel workers: no inbound traffic; outbound HTTPS and NFS"),
		AllowAllOutbound: jsii.Bool(false),
	})
	workers.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_HTTPS(), jsii.String("AWS services"), nil)
	return workers
}

// endpoints makes the interface endpoints through which an ECS instance without a route to the
// internet joins its cluster, pulls the image and writes logs. Each costs by the hour and zone.
func (n *network) endpoints(stack awscdk.Stack, services []service) {
	group := awsec2.NewSecurityGroup(stack, jsii.String("Endpoints"), &awsec2.SecurityGroupProps{
		Vpc: n.vpc, Description: jsii.String("mapreel interface endpoints: HTTPS from workers"), AllowAllOutbound: jsii.Bool(false),
	})
	group.AddIngressRule(n.workers, awsec2.Port_HTTPS(), jsii.String("workers"), nil)
	for _, e := range services {
		n.vpc.AddInterfaceEndpoint(jsii.String(e.name), &awsec2.InterfaceVpcEndpointOptions{
			Service: e.endpoint, Subnets: n.isolated, Open: jsii.Bool(false), SecurityGroups: &[]awsec2.ISecurityGroup{group},
		})
	}
}
