package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/engine"
	blenderprogram "github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// functions are the Lambda functions by class.
type functions map[work.Class]awslambda.DockerImageFunction

// newFunctions makes a function for each class, each with a role of its own.
func newFunctions(stack awscdk.Stack, chosen settings, net *network, store storage, images images) functions {
	made := functions{}
	for _, name := range chosen.allClasses() {
		c, id, img := chosen.class(name), constructID(name), images.of(name)
		logs := chosen.logGroup(stack, id+"Log", nil)
		role := awsiam.NewRole(stack, jsii.String(id+"Role"), &awsiam.RoleProps{
			Description: jsii.String("mapreel: the function of the class " + string(name)),
			AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		})
		logs.GrantWrite(role)
		r := rights{role, store, chosen.sliceEvents, chosen.render, chosen.deployed.Tools}
		c.allow(r)
		if t, ok := chosen.toolOf(name); ok {
			readSecrets(role, t.Secrets, getParameter)
		}
		variables := environment(chosen, store)
		nameCertificates(*variables, name)
		(*variables)["MAPREEL_TMP"] = jsii.String(fmt.Sprint(c.disk))
		props := &awslambda.DockerImageFunctionProps{
			Description:          jsii.String("mapreel: work of the class " + string(name)),
			Code:                 img.function(name),
			Architecture:         img.platform,
			MemorySize:           jsii.Number(c.memory),
			Timeout:              awscdk.Duration_Minutes(jsii.Number(c.minutes)),
			EphemeralStorageSize: awscdk.Size_Mebibytes(jsii.Number(c.disk)),
			Environment:          variables,
			Role:                 role,
			LogGroup:             logs,
			// Versions of earlier deploys stay, for executions that began with them, until the function is deleted.
			CurrentVersionOptions: &awslambda.VersionOptions{RemovalPolicy: awscdk.RemovalPolicy_RETAIN},
		}
		if name == work.ClassEncode && chosen.encodeConcurrency > 0 {
			props.ReservedConcurrentExecutions = jsii.Number(chosen.encodeConcurrency)
		}
		if store.access != nil {
			r.attachToNetwork()
			props.Vpc, props.VpcSubnets = net.vpc, net.isolated
			props.SecurityGroups = &[]awsec2.ISecurityGroup{net.workers}
			props.Filesystem = awslambda.FileSystem_FromEfsAccessPoint(store.access, jsii.String(mountPoint))
		}
		made[name] = awslambda.NewDockerImageFunction(stack, jsii.String(id), props)
		excuse(role, "IAM5", reasonForWildcards)
	}
	return made
}

// constructID returns the class as CloudFormation names resources: "Encode".
func constructID(c work.Class) string {
	name := constructName(c)
	return strings.ToUpper(name[:1]) + name[1:]
}

// nameCertificates says where the image of a tool has the certificates of authorities: those of mapreel, as the tool's may have none.
func nameCertificates(variables map[string]*string, c work.Class) {
	if c.Tool() != "" {
		variables["SSL_CERT_FILE"] = jsii.String("/opt/mapreel/ca-certificates.crt")
	}
}

// environment returns the settings of every function and Batch job. lambdafn.ParseSettings reads them.
func environment(chosen settings, store storage) *map[string]*string {
	scratch, queues := jsii.String(mountPoint), "none"
	if store.access == nil {
		scratch = jsii.String("s3://" + *store.bucket.BucketName())
	}
	switch {
	case chosen.gpu:
		queues = "cpu,gpu"
	case chosen.batch:
		queues = "cpu"
	}
	values := map[string]*string{
		"MAPREEL_TABLE":       store.table.TableName(),
		"MAPREEL_SCRATCH":     scratch,                   // where artifacts lie
		"MAPREEL_ITEMS":       store.bucket.BucketName(), // where the Distributed Map reads its items
		"MAPREEL_BATCH":       jsii.String(queues),       // the queues of this deployment; Analyse refuses or changes other routes
		"MAPREEL_RUN":         jsii.String(statemachine.TimeLimit().String()),
		"MAPREEL_REDRIVE":     jsii.String(chosen.redrive().String()),
		"MAPREEL_LIMITS":      jsii.String(workerLimits()),
		"MAPREEL_PROCESSORS":  jsii.String(strconv.Itoa(processors(chosen.functionMemory))), // an encoder's threads, where a request names none
		"MAPREEL_CONCURRENCY": jsii.String(fmt.Sprint(chosen.concurrency())),
	}
	if !chosen.render { // imageUri may name an image that has Blender all the same
		values[blenderprogram.Variable] = jsii.String(blenderprogram.None)
	}
	if chosen.sliceEvents {
		values["MAPREEL_BUS"] = store.bus.EventBusName() // told of finished slices
	}
	nameWebSources(values, chosen)
	nameOwners(values, chosen, store)
	return &values
}

// workerLimits returns what an attempt at a unit has, as lambdafn reads it. The classes whose units are large have the same.
func workerLimits() string {
	const mebibyte = 1 << 20
	merge := classes[work.ClassMerge]
	limits := engine.Limits{
		Lambda: engine.WorkerLimits{Disk: int64(merge.disk * mebibyte), Seconds: int64(merge.minutes * 60)},
		Batch:  engine.WorkerLimits{Disk: hostDiskForJobs << 30, Seconds: attemptHours * 3600},
	}
	text, _ := json.Marshal(limits) //nolint:errchkjson // numbers
	return string(text)
}
