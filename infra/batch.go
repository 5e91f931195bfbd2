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

	"github.com/mapreel/mapreel/pkg/stage"
)

// queue is where the machine submits jobs, and what it submits.
type queue struct {
	jobs       awsbatch.JobQueue
	definition awsbatch.EcsJobDefinition
}

// queues are those that the deployment has; nil for one that it hasn't.
type queues struct{ cpu, gpu *queue }

// attemptHours limits an attempt at a job. It ends before the task's time limit in the definition even when it is the last
// of three.
const attemptHours = 6

// kind is a sort of instance, and how much of one a job gets.
type kind struct {
	name      string
	classes   []awsec2.InstanceClass
	image     awsbatch.EcsMachineImageType
	cpus      float64
	memory    float64 // MiB: what ECS leaves of the smallest instance with that many processors
	gpus      *float64
	maxCPUs   float64 // of the whole queue: what it may cost at most
	mostSpace float64 // GiB of an instance's disk
}

func newBatch(stack awscdk.Stack, chosen settings, net *network, store storage, img image) queues {
	if !chosen.batch {
		return queues{}
	}
	cpu := kind{
		name: "Cpu", image: awsbatch.EcsMachineImageType_ECS_AL2023, cpus: 4, memory: 7000, maxCPUs: 1024, mostSpace: 100,
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
	role := newJobRole(stack, store)
	logs := awslogs.NewLogGroup(stack, jsii.String("BatchLog"), &awslogs.LogGroupProps{
		Retention: awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	add := func(k kind) *queue { return newQueue(stack, chosen, net, store, img, host, role, logs, k) }
	q := queues{cpu: add(cpu)}
	if chosen.gpu {
		q.gpu = add(kind{
			name: "Gpu", image: awsbatch.EcsMachineImageType_ECS_AL2023_NVIDIA,
			cpus: 4, memory: 14000, gpus: jsii.Number(1), maxCPUs: 256, mostSpace: 100,
			classes: []awsec2.InstanceClass{awsec2.InstanceClass_G4DN, awsec2.InstanceClass_G5, awsec2.InstanceClass_G6},
		})
	}
	return q
}

// newHost is the role of an instance: it joins its cluster, and that is all.
func newHost(stack awscdk.Stack) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("BatchHost"), &awsiam.RoleProps{
		Description: jsii.String("What an instance of mapreel's Batch queues does: run ECS's agent"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ec2.amazonaws.com"), nil),
		ManagedPolicies: &[]awsiam.IManagedPolicy{
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/AmazonEC2ContainerServiceforEC2Role")),
		},
	})
	excuse(role, "IAM4", "ECS's agent changes with its AMI, and AWS keeps this policy in step with it. Jobs have a role of their own.",
		"Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role")
	return role
}

// newJobRole is what a job may do: the same as the function Encode.
func newJobRole(stack awscdk.Stack, store storage) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("BatchJob"), &awsiam.RoleProps{
		Description: jsii.String("What the stage encode of mapreel does, as a Batch job"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
	encoding(rights{role, store})
	if store.access != nil {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:    jsii.Strings("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
			Resources:  &[]*string{store.files.FileSystemArn()},
			Conditions: &map[string]any{"StringEquals": map[string]any{"elasticfilesystem:AccessPointArn": store.access.AccessPointArn()}},
		}))
	}
	excuse(role, "IAM5", reasonForWildcards)
	return role
}

func newQueue(
	stack awscdk.Stack, chosen settings, net *network, store storage, img image,
	host, role awsiam.Role, logs awslogs.LogGroup, k kind,
) *queue {
	template := awsec2.NewLaunchTemplate(stack, jsii.String(k.name+"Host"), &awsec2.LaunchTemplateProps{
		RequireImdsv2: jsii.Bool(true),
		BlockDevices: &[]*awsec2.BlockDevice{{
			DeviceName: jsii.String("/dev/xvda"), // the root disk of ECS's AMIs
			Volume: awsec2.BlockDeviceVolume_Ebs(jsii.Number(k.mostSpace), &awsec2.EbsDeviceOptions{
				Encrypted: jsii.Bool(true), VolumeType: awsec2.EbsDeviceVolumeType_GP3, DeleteOnTermination: jsii.Bool(true),
			}),
		}},
	})
	instances := awsbatch.NewManagedEc2EcsComputeEnvironment(stack, jsii.String(k.name+"Instances"),
		&awsbatch.ManagedEc2EcsComputeEnvironmentProps{
			Vpc: net.vpc, VpcSubnets: net.batch, SecurityGroups: &[]awsec2.ISecurityGroup{net.workers},
			Spot:                       jsii.Bool(true),
			AllocationStrategy:         awsbatch.AllocationStrategy_SPOT_PRICE_CAPACITY_OPTIMIZED,
			MinvCpus:                   jsii.Number(0), // nothing runs, and nothing costs, while the queue is empty
			MaxvCpus:                   jsii.Number(k.maxCPUs),
			InstanceClasses:            &k.classes,
			UseOptimalInstanceClasses:  jsii.Bool(false),
			Images:                     &[]*awsbatch.EcsMachineImage{{ImageType: k.image}},
			InstanceRole:               host,
			LaunchTemplate:             template,
			UpdateToLatestImageVersion: jsii.Bool(true),
		})
	// A container on EC2 is not told its region; a function is, and may not be told again.
	variables := environment(chosen, store)
	(*variables)["AWS_REGION"] = stack.Region()
	container := &awsbatch.EcsEc2ContainerDefinitionProps{
		Image:       img.container(),
		Command:     jsii.Strings(binaries + "encode"),
		Cpu:         jsii.Number(k.cpus),
		Memory:      awscdk.Size_Mebibytes(jsii.Number(k.memory)),
		Gpu:         k.gpus,
		Environment: variables,
		JobRole:     role,
		Logging: awsecs.LogDrivers_AwsLogs(&awsecs.AwsLogDriverProps{
			StreamPrefix: jsii.String("encode"), LogGroup: logs,
		}),
	}
	if store.access != nil {
		container.Volumes = &[]awsbatch.EcsVolume{awsbatch.EcsVolume_Efs(&awsbatch.EfsVolumeOptions{
			Name: jsii.String("scratch"), ContainerPath: jsii.String(mountPoint),
			FileSystem: store.files, AccessPointId: store.access.AccessPointId(),
			EnableTransitEncryption: jsii.Bool(true), UseJobRole: jsii.Bool(true),
		})}
	}
	definition := awsbatch.NewEcsJobDefinition(stack, jsii.String(k.name+"Job"), &awsbatch.EcsJobDefinitionProps{
		Container:     awsbatch.NewEcsEc2ContainerDefinition(stack, jsii.String(k.name+"Container"), container),
		RetryAttempts: jsii.Number(stage.BatchAttempts),
		Timeout:       awscdk.Duration_Hours(jsii.Number(attemptHours)),
		PropagateTags: jsii.Bool(true),
		RetryStrategies: &[]awsbatch.RetryStrategy{
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_SPOT_INSTANCE_RECLAIMED()),
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_CANNOT_PULL_CONTAINER()),
			awsbatch.RetryStrategy_Of(awsbatch.Action_RETRY, awsbatch.Reason_Custom(&awsbatch.CustomReason{
				OnExitCode: jsii.String(strconv.Itoa(stage.TryAgain)),
			})),
			awsbatch.RetryStrategy_Of(awsbatch.Action_EXIT, awsbatch.Reason_Custom(&awsbatch.CustomReason{
				OnReason: jsii.String("*"),
			})),
		},
	})
	excuse(definition.Container().ExecutionRole(), "IAM5", "Streams of the log group, and the registry's token, which has no resource.")
	jobs := awsbatch.NewJobQueue(stack, jsii.String(k.name+"Queue"), &awsbatch.JobQueueProps{
		ComputeEnvironments: &[]*awsbatch.OrderedComputeEnvironment{{ComputeEnvironment: instances, Order: jsii.Number(1)}},
	})
	return &queue{jobs, definition}
}
