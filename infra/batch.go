package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

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
	name     string
	families []string
	image    awsbatch.EcsMachineImageType
	maxCPUs  float64 // of the whole queue; limits its cost
}

func newBatch(stack awscdk.Stack, chosen settings, net *network, store storage, images images) batch {
	if !chosen.batch {
		return batch{}
	}
	host := newHost(stack)
	b := batch{definitions: map[string]awsbatch.EcsJobDefinition{}}
	b.cpu = newQueue(stack, chosen, net, host, fleet{
		name: "Cpu", image: awsbatch.EcsMachineImageType_ECS_AL2023, maxCPUs: chosen.maxVCPUs, families: chosen.instanceFamilies,
	})
	if chosen.gpu {
		b.gpu = newQueue(stack, chosen, net, host, fleet{
			name: "Gpu", image: awsbatch.EcsMachineImageType_ECS_AL2023_NVIDIA, maxCPUs: chosen.gpuMaxVCPUs, families: chosen.gpuInstanceFamilies,
		})
	}
	d := newDefinitions(stack, chosen, store, images)
	for _, c := range chosen.unitClasses() {
		if size := chosen.class(c).job; size.cpus > 0 {
			b.definitions[statemachine.JobDefinitionKey(string(c), false)] = d.add(c, constructID(c), size)
		}
		if size := chosen.class(c).gpuJob; chosen.gpu && size.gpus > 0 {
			b.definitions[statemachine.JobDefinitionKey(string(c), true)] = d.add(c, constructID(c)+"Gpu", size)
		}
	}
	excuse(d.agent, "IAM5", reasonForAgent) // once its policy is there
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

// hostDisk is the size in GiB of an instance's disk, which all jobs on the instance share.
const hostDisk = 100

// hostDiskForJobs is what the system, the image and the jobs beside it leave to a job of that.
const hostDiskForJobs = 70

// How long a job at the head of a queue may wait before Batch cancels it, which fails its task. Batch can tell these reasons
// (User Guide, "Jobs stuck in a RUNNABLE status"). Spot capacity may come back within hours; a job that fits no instance
// never starts.
const (
	waitForCapacity = 6 * time.Hour
	waitForMistake  = 10 * time.Minute // Batch's least
)

// newQueue makes a job queue with two compute environments: Spot instances, and On-Demand instances for when there are none.
func newQueue(stack awscdk.Stack, chosen settings, net *network, host awsiam.Role, f fleet) awsbatch.JobQueue {
	template := awsec2.NewLaunchTemplate(stack, jsii.String(f.name+"Host"), &awsec2.LaunchTemplateProps{
		RequireImdsv2: jsii.Bool(true),
		// Tokens of the metadata service reach nothing behind another hop, such as a container with a network of its own. Batch gives
		// jobs the network of the instance, so that they do reach them: see toolProblems.
		HttpPutResponseHopLimit: jsii.Number(1),
		BlockDevices: &[]*awsec2.BlockDevice{{
			DeviceName: jsii.String("/dev/xvda"), // the root disk of the ECS AMIs
			Volume: awsec2.BlockDeviceVolume_Ebs(jsii.Number(hostDisk), &awsec2.EbsDeviceOptions{
				Encrypted: jsii.Bool(true), VolumeType: awsec2.EbsDeviceVolumeType_GP3, DeleteOnTermination: jsii.Bool(true),
			}),
		}},
	})
	onDemand := math.Ceil(f.maxCPUs * chosen.onDemandShare / 100)
	var ordered []*awsbatch.OrderedComputeEnvironment
	for _, e := range []struct {
		id       string
		spot     bool
		maxCPUs  float64
		strategy awsbatch.AllocationStrategy
	}{
		{"Instances", true, f.maxCPUs - onDemand, awsbatch.AllocationStrategy_SPOT_PRICE_CAPACITY_OPTIMIZED},
		{"OnDemand", false, onDemand, awsbatch.AllocationStrategy_BEST_FIT_PROGRESSIVE},
	} {
		if e.maxCPUs <= 0 {
			continue
		}
		instances := awsbatch.NewManagedEc2EcsComputeEnvironment(stack, jsii.String(f.name+e.id),
			&awsbatch.ManagedEc2EcsComputeEnvironmentProps{
				Vpc: net.vpc, VpcSubnets: net.batch, SecurityGroups: &[]awsec2.ISecurityGroup{net.workers},
				Spot:                       jsii.Bool(e.spot),
				AllocationStrategy:         e.strategy,
				MinvCpus:                   jsii.Number(0), // an empty queue runs and costs nothing
				MaxvCpus:                   jsii.Number(e.maxCPUs),
				Images:                     &[]*awsbatch.EcsMachineImage{{ImageType: f.image}},
				InstanceRole:               host,
				LaunchTemplate:             template,
				UpdateToLatestImageVersion: jsii.Bool(true),
			})
		// The construct takes only the families that this release of the CDK knows, and writes "optimal" where it is given none.
		instances.Node().DefaultChild().(awsbatch.CfnComputeEnvironment).AddPropertyOverride(
			jsii.String("ComputeResources.InstanceTypes"), f.families)
		ordered = append(ordered, &awsbatch.OrderedComputeEnvironment{
			ComputeEnvironment: instances, Order: jsii.Number(float64(len(ordered) + 1)),
		})
	}
	cancel := func(reason awsbatch.JobStateTimeLimitActionsReason, after time.Duration) *awsbatch.JobStateTimeLimitAction {
		return &awsbatch.JobStateTimeLimitAction{Reason: reason, MaxTime: awscdk.Duration_Minutes(jsii.Number(after.Minutes()))}
	}
	return awsbatch.NewJobQueue(stack, jsii.String(f.name+"Queue"), &awsbatch.JobQueueProps{
		ComputeEnvironments: &ordered,
		JobStateTimeLimitActions: &[]*awsbatch.JobStateTimeLimitAction{
			cancel(awsbatch.JobStateTimeLimitActionsReason_INSUFFICIENT_INSTANCE_CAPACITY, waitForCapacity),
			cancel(awsbatch.JobStateTimeLimitActionsReason_COMPUTE_ENVIRONMENT_MAX_RESOURCE, waitForMistake),
			cancel(awsbatch.JobStateTimeLimitActionsReason_JOB_RESOURCE_REQUIREMENT, waitForMistake),
		},
	})
}

const reasonForAgent = "Streams of the log group, and the registry's token, which has no resource."

// definitions makes job definitions.
type definitions struct {
	stack  awscdk.Stack
	chosen settings
	store  storage
	images images
	agent  awsiam.Role // what the ECS agent does for a job before it runs
	logs   awslogs.LogGroup
}

func newDefinitions(stack awscdk.Stack, chosen settings, store storage, images images) definitions {
	agent := newAgent(stack, "BatchAgent", "mapreel: pulls the image of a Batch job and writes its log")
	return definitions{stack, chosen, store, images, agent, chosen.logGroup(stack, "BatchLog", nil)}
}

// jobDefinitionName returns a fixed name, by which the machine's role may submit jobs of any revision.
func jobDefinitionName(stack awscdk.Stack, id string) *string {
	return jsii.String(*stack.StackName() + "-" + id)
}

// revisions returns the ARN of all revisions of a job definition.
func revisions(stack awscdk.Stack, definition awsbatch.EcsJobDefinition) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("batch"), Resource: jsii.String("job-definition"),
		ResourceName: jsii.String(*jobDefinitionName(stack, strings.TrimSuffix(*definition.Node().Id(), "Job")) + ":*"),
	})
}

// add makes the job definition of a class. Its role may do exactly what the function of the class may.
func (d definitions) add(c work.Class, id string, size jobSize) awsbatch.EcsJobDefinition {
	role := awsiam.NewRole(d.stack, jsii.String(id+"JobRole"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: Batch jobs of the class " + string(c)),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
	r := rights{role, d.store, d.chosen.sliceEvents, d.chosen.render, d.chosen.deployed.Tools}
	d.chosen.class(c).allow(r)
	// A container on EC2 does not know its region. Lambda sets the variable itself and forbids to set it.
	variables := environment(d.chosen, d.store)
	nameCertificates(*variables, c)
	(*variables)["AWS_REGION"] = d.stack.Region()
	(*variables)["MAPREEL_VCPUS"], (*variables)["MAPREEL_GPUS"] = jsii.String(fmt.Sprint(size.cpus)), jsii.String(fmt.Sprint(size.gpus))
	agent := d.agentFor(c, id)
	container := &awsbatch.EcsEc2ContainerDefinitionProps{
		Image:         d.images.of(c).container(),
		Command:       jsii.Strings(program, string(c)),
		Cpu:           jsii.Number(size.cpus),
		Memory:        awscdk.Size_Mebibytes(jsii.Number(size.memory)),
		Environment:   variables,
		JobRole:       role,
		ExecutionRole: agent,
		Logging: awsecs.LogDrivers_AwsLogs(&awsecs.AwsLogDriverProps{
			StreamPrefix: jsii.String(string(c)), LogGroup: d.logs,
		}),
		// Workers write below /tmp and on the shared file system only. Docker gives the volume the owner and the mode that the
		// folder has in the image, keeps it on the instance's disk, and the ECS agent removes it with the container.
		ReadonlyRootFilesystem: jsii.Bool(true),
		Volumes: &[]awsbatch.EcsVolume{awsbatch.EcsVolume_Host(&awsbatch.HostVolumeOptions{
			Name: jsii.String("tmp"), ContainerPath: jsii.String("/tmp"),
		})},
	}
	if size.gpus > 0 {
		container.Gpu = jsii.Number(size.gpus)
	}
	if d.store.access != nil {
		r.mountFiles()
		*container.Volumes = append(*container.Volumes, awsbatch.EcsVolume_Efs(&awsbatch.EfsVolumeOptions{
			Name: jsii.String("scratch"), ContainerPath: jsii.String(mountPoint),
			FileSystem: d.store.files, AccessPointId: d.store.access.AccessPointId(),
			EnableTransitEncryption: jsii.Bool(true), UseJobRole: jsii.Bool(true),
		}))
	}
	excuse(role, "IAM5", reasonForWildcards)
	definition := awsbatch.NewEcsJobDefinition(d.stack, jsii.String(id+"Job"), &awsbatch.EcsJobDefinitionProps{
		JobDefinitionName: jobDefinitionName(d.stack, id),
		// A deploy makes a new revision. Executions that began before go on to submit jobs of the revision that they know.
		SkipDeregisterOnUpdate: jsii.Bool(true),
		Container:              awsbatch.NewEcsEc2ContainerDefinition(d.stack, jsii.String(id+"Container"), container),
		RetryAttempts:          jsii.Number(engine.BatchAttempts),
		Timeout:                awscdk.Duration_Hours(jsii.Number(attemptHours)),
		PropagateTags:          jsii.Bool(true),
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
	if agent != d.agent {
		excuse(agent, "IAM5", reasonForAgent+" Keys of the account, for the secrets of this tool alone.")
	}
	d.passSecrets(c, definition)
	return definition
}
