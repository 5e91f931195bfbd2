package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/mapreel/mapreel/pkg/client"
)

// newStack adds mapreel to app. root is the folder in which functions/Dockerfile is built.
func newStack(app awscdk.App, chosen settings, root string) error {
	// The name is also the construct's: the CDK makes physical names of it, which must differ between two stacks of a region.
	stack := awscdk.NewStack(app, jsii.String(chosen.stackName), &awscdk.StackProps{
		Description: jsii.String("mapreel: transcodes a video by MapReduce. https://github.com/mapreel/mapreel"),
	})
	awscdk.Tags_Of(stack).Add(jsii.String("project"), jsii.String("mapreel"), nil)
	for _, t := range chosen.tags {
		awscdk.Tags_Of(stack).Add(jsii.String(t.key), jsii.String(t.value), nil)
	}

	net := newNetwork(stack, chosen)        // nil where nothing needs one
	store := newStorage(stack, chosen, net) // ledger, scratch, sources, destinations
	store.bus = newBus(stack)
	images, err := newImages(stack, chosen, root) // of all functions and Batch jobs
	if err != nil {
		return err
	}
	fns := newFunctions(stack, chosen, net, store, images)    // one for each class of work
	jobs := newBatch(stack, chosen, net, store, images)       // for units that Lambda cannot finish
	flow, err := newWorkflow(stack, chosen, store, fns, jobs) // the definition and its role
	if err != nil {
		return err
	}
	newEvents(stack, fns, flow, store.bus)                    // outside of executions
	topic := newTopic(stack, chosen)                          // nil without the setting notify
	watch := newWatch(stack, chosen, store, fns, flow, topic) // dashboard and alarms
	newBlockedAlarm(stack, jobs, store.bus, topic)            // a queue that starts nothing

	outputs := map[string]*string{
		client.OutputMachine:      flow.machine.StateMachineArn(),
		client.OutputSources:      placeList(store.sources),
		client.OutputDestinations: placeList(store.destinations),
		"SourceBucket":            store.sources[0].bucket.BucketName(),
		"DestinationBucket":       store.destinations[0].bucket.BucketName(),
		"ScratchBucket":           store.bucket.BucketName(),
		client.OutputTable:        store.table.TableName(),
		"FinishedJobsBus":         store.bus.EventBusName(),
		"DashboardName":           watch.DashboardName(),
	}
	if accounts := otherAccounts(chosen); accounts != "" {
		outputs[client.OutputOwners] = jsii.String(accounts)
	}
	if images.toolsDigest != "" {
		outputs[client.OutputTools] = jsii.String(strings.Join(chosen.deployed.Names(), " "))
		outputs[client.OutputToolsDigest] = jsii.String(images.toolsDigest)
	}
	if url := newIntake(stack, chosen, store, images.usual, flow, topic); url != nil { // requests in, messages out
		outputs["ApiUrl"] = url
	}
	if d := newDelivery(stack, chosen, store); d != nil { // outputs to players
		outputs["DeliveryDomain"] = d.DistributionDomainName()
	}
	for name, value := range outputs {
		awscdk.NewCfnOutput(stack, jsii.String(name), &awscdk.CfnOutputProps{Value: value})
	}
	return nil
}

// excuse records at a resource why a finding of cdk-nag is accepted, and for which findings. The
// template carries it as metadata; a test requires it wherever a policy has a wildcard.
func excuse(construct constructs.IConstruct, rule, reason string, findings ...string) {
	suppression := &cdknag.NagPackSuppression{Id: jsii.String("AwsSolutions-" + rule), Reason: jsii.String(reason)}
	if len(findings) > 0 {
		var list []any
		for _, f := range findings {
			list = append(list, f)
		}
		suppression.AppliesTo = &list
	}
	cdknag.NagSuppressions_AddResourceSuppressions(construct, &[]*cdknag.NagPackSuppression{suppression}, jsii.Bool(true))
}
