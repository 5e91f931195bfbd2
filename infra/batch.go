package main

import (
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// batch is what the state machine submits jobs to.
type batch struct {
	cpu, gpu    awsbatch.JobQueue                    // nil where the deployment has none
	definitions map[string]awsbatch.EcsJobDefinition // by statemachine.JobDefinitionKey
}

// attemptHours limits an attempt at a job, so that all engine.BatchAttempts end before the task's
// time limit in the definition.
const attemptHours = 6

// fleet describes the instances of a queue.
type fleet struct {
	name    string
	classes []awsec2.InstanceClass
	image   awsbatch.EcsMachineImageType
	maxCPUs float64 // of the whole queue; limits its cost
	disk    float64 // GiB of an instance
}

func newBatch(stack awscdk.Stack, chosen settings, net *network, store storage, img image) batch {
	if !chosen.batch {
		return batch{}
	}
	cpu := fleet{
		name: "Cpu", image: awsbatch.EcsMachineImageType_ECS_AL2023, maxCPUs: 1024, disk: 100,
		classes: []awsec2.InstanceClass{
			awsec2.InstanceClass_C6I, awsec2.InstanceClass_C6A, awsec2.InstanceClass_C7I, awsec2.InstanceClass_C7A,
			awsec2.InstanceClass_M6I, awsec2.InstanceClass_M7I,
		},
	}
	if chosen.arch == "arm64" {
		cpu.classes = []awsec2.InstanceClass{
			awsec2.InstanceClass_C6G, awsec2.InstanceClass_C7G, awsec2.InstanceClass_C8G,
			awsec2.InstanceClass_M6G, awsec2.InstanceClass_M7G,
		}
	}
	host := newHost(stack)
	b := batch{cpu: newQueue(stack, net, host, cpu), definitions: map[string]awsbatch.EcsJobDefinition{}}
	if chosen.gpu {
		b.gpu = newQueue(stack, net, host, fleet{
			name: "Gpu", image: awsbatch.EcsMachineImageType_ECS_AL2023_NVIDIA, maxCPUs: 256, disk: 100,
			classes: []awsec2.InstanceClass{awsec2.InstanceClass_G4DN, awsec2.InstanceClass_G5, awsec2.InstanceClass_G6},
		})
	}
	d := newDefinitions(stack, chosen, store, img)
	for _, c := range work.UnitClasses() {
		b.definitions[statemachine.JobDefinitionKey(string(c), false)] = d.add(c, constructID(c), classes[c].job)
		if size := classes[c].gpuJob; chosen.gpu && size.gpus > 0 {
			b.definitions[statemachine.JobDefinitionKey(string(c), true)] = d.add(c, constructID(c)+"Gpu", size)
		}
	}
	excuse(d.agent, "IAM5", "Streams of the log group, and the registry's token, which has no resource.") // once its policy is there
	return b
}

// newHost makes the role of an instance, which only joins its cluster.
func newHost(stack awscdk.Stack) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("BatchHost"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: an instance of the Batch queues, which runs the ECS agent"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ec2.amazonaws.com"), nil),
		ManagedPolicies: &[]awsiam.IManagedPolicy{
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/AmazonEC2ContainerServiceforEC2Role")),
		},
	})
	excuse(role, "IAM4", "The ECS agent changes with its AMI, and AWS keeps this policy in step with it. Jobs have roles of their own.",
		"Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role")
	return role
}

func newQueue(stack awscdk.Stack, net *network, host awsiam.Role, f fleet) awsbatch.JobQueue {
	template := awsec2.NewLaunchTemplate(stack, jsii.String(f.name+"Host"), &awsec2.LaunchTemplateProps{
		RequireImdsv2: jsii.Bool(true),
		BlockDevices: &[]*awsec2.BlockDevice{{
			DeviceName: jsii.String("/dev/xvda"), // the root disk of the ECS AMIs
			Volume: awsec2.BlockDeviceVolume_Ebs(jsii.Number(f.disk), &awsec2.EbsDeviceOptions{
				Encrypted: jsii.Bool(true), VolumeType: awsec2.EbsDeviceVolumeType_GP3, DeleteOnTermination: jsii.Bool(true),
			}),
		}},
	})
	instances := awsbatch.NewManagedEc2EcsComputeEnvironment(stack, jsii.String(f.name+"Instances"),
		&awsbatch.ManagedEc2EcsComputeEnvironmentProps{
			Vpc: net.vpc, VpcSubnets: net.batch, SecurityGroups: &[]awsec2.ISecurityGroup{net.workers},
			Spot:                       jsii.Bool(true),
			AllocationStrategy:         awsbatch.AllocationStrategy_SPOT_PRICE_CAPACITY_OPTIMIZED,
			MinvCpus:                   jsii.Number(0), // an empty queue runs and costs nothing
			MaxvCpus:                   jsii.Number(f.maxCPUs),
			InstanceClasses:            &f.classes,
			UseOptimalInstanceClasses:  jsii.Bool(false),
			Images:                     &[]*awsbatch.EcsMachineImage{{ImageType: f.image}},
			InstanceRole:               host,
			LaunchTemplate:             template,
			UpdateToLatestImageVersion: jsii.Bool(true),
		})
	return awsbatch.NewJobQueue(stack, jsii.String(f.name+"Queue"), &awsbatch.JobQueueProps{
		ComputeEnvironments: &[]*awsbatch.OrderedComputeEnvironment{{ComputeEnvironment: instances, Order: jsii.Number(1)}},
	})
}

// definitions makes job definitions.
type definitions struct {
	stack  awscdk.Stack
	chosen settings
	store  storage
	image  image
	agent  awsiam.Role // what the ECS agent does for a job before it runs
	logs   awslogs.LogGroup
}

func newDefinitions(stack awscdk.Stack, chosen settings, store storage, img image) definitions {
	agent := awsiam.NewRole(stack, jsii.String("BatchAgent"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: pulls the image of a Batch job and writes its log"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
	logs := awslogs.NewLogGroup(stack, jsii.String("BatchLog"), &awslogs.LogGroupProps{
		Retention: awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	return definitions{stack, chosen, store, img, agent, logs}
}

// add makes the job definition of a class. Its role may do exactly what the function of the class may.
func (d definitions) add(c work.Class, id string, size jobSize) awsbatch.EcsJobDefinition {
	role := awsiam.NewRole(d.stack, jsii.String(id+"JobRole"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: Batch jobs of the class " + string(c)),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
	r := rights{role, d.store}
	classes[c].allow(r)
	// A container on EC2 does not know its region. Lambda sets the variable itself and forbids to set it.
	variables := environment(d.chosen, d.store)
	(*variables)["AWS_REGION"] = d.stack.Region()
	container := &awsbatch.EcsEc2ContainerDefinitionProps{
		Image:         d.image.container(),
		Command:       jsii.Strings(program, string(c)),
		Cpu:           jsii.Number(size.cpus),
		Memory:        awscdk.Size_Mebibytes(jsii.Number(size.memory)),
		Environment:   variables,
		JobRole:       role,
		ExecutionRole: d.agent,
		Logging: awsecs.LogDrivers_AwsLogs(&awsecs.AwsLogDriverProps{
			StreamPrefix: jsii.String(string(c)), LogGroup: d.logs,
		}),
	}
	if size.gpus > 0 {
		container.Gpu = jsii.Number(size.gpus)
	}
	if d.store.access != nil {
		r.mountFiles()
		container.Volumes = &[]awsbatch.EcsVolume{awsbatch.EcsVolume_Efs(&awsbatch.EfsVolumeOptions{
			Name: jsii.String("scratch"), ContainerPath: jsii.String(mountPoint),
			FileSystem: d.store.files, AccessPointId: d.store.access.AccessPointId(),
			EnableTransitEncryption: jsii.Bool(true), UseJobRole: jsii.Bool(true),
		})}
	}
	excuse(role, "IAM5", reasonForWildcards)
	return awsbatch.NewEcsJobDefinition(d.stack, jsii.String(id+"Job"), &awsbatch.EcsJobDefinitionProps{
		Container:     awsbatch.NewEcsEc2ContainerDefinition(d.stack, jsii.String(id+"Container"), container),
		RetryAttempts: jsii.Number(engine.BatchAttempts),
		Timeout:       awscdk.Duration_Hours(jsii.Number(attemptHours)),
		PropagateTags: jsii.Bool(true),
		RetryStrategies: &[]awsbatch.RetryStrategy{
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_SPOT_INSTANCE_RECLAIMED()),
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_CANNOT_PULL_CONTAINER()),
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_Custom(&awsbatch.CustomReason{
				OnExitCode: jsii.String(strconv.Itoa(engine.TryAgain)),
			})),
			awsbatch.RetryStrategy_Of(awsbatch.Action_EXIT, awsbatch.Reason_Custom(&awsbatch.CustomReason{
				OnReason: jsii.String("*"),
			})),
		},
	})
}
