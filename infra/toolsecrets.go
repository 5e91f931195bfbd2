package main

import (
	"errors"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// Services that have secrets, as their ARNs name them.
const (
	secretsManager = "secretsmanager"
	parameterStore = "ssm"
)

// Actions that read a parameter: functions ask for one, and the ECS agent for several at once.
const (
	getParameter  = "ssm:GetParameter"
	getParameters = "ssm:GetParameters"
)

// readSecrets lets a role read the secrets of a tool, and no others, parameters by an action. One that is encrypted with a key of the
// account's own also needs that key, for this secret alone.
func readSecrets(role awsiam.Role, secrets tool.Secrets, parameters string) {
	for _, s := range secrets {
		place, ok := s.Place()
		if !ok {
			continue
		}
		actions, context := []string{"secretsmanager:GetSecretValue"}, "kms:EncryptionContext:SecretARN"
		if place.Service == parameterStore {
			actions, context = []string{parameters}, "kms:EncryptionContext:PARAMETER_ARN"
		}
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(actions...), Resources: jsii.Strings(s.ARN),
		}))
		keys := fmt.Sprintf("arn:%s:kms:%s:%s:key/*", place.Partition, place.Region, place.Account)
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("kms:Decrypt"), Resources: jsii.Strings(keys),
			Conditions: &map[string]any{"StringEquals": map[string]any{context: s.ARN}},
		}))
	}
}

// agentFor returns the role of the ECS agent for the jobs of a class. The agent reads the secrets of a tool for its jobs: that of another
// tool must not.
func (d definitions) agentFor(c work.Class, id string) awsiam.Role {
	t, ok := d.chosen.toolOf(c)
	if !ok || len(t.Secrets) == 0 {
		return d.agent
	}
	role := newAgent(d.stack, id+"Agent", "mapreel: pulls the image of a Batch job of the class "+string(c)+", reads its secrets and writes its log")
	readSecrets(role, t.Secrets, getParameters)
	return role
}

// passSecrets has the ECS agent put the secrets of a tool into the environment of its jobs.
func (d definitions) passSecrets(c work.Class, definition awsbatch.EcsJobDefinition) {
	t, ok := d.chosen.toolOf(c)
	if !ok || len(t.Secrets) == 0 {
		return
	}
	var list []map[string]string
	for _, s := range t.Secrets {
		list = append(list, map[string]string{"Name": tool.SecretVariable + s.Name, "ValueFrom": s.ARN})
	}
	// The construct takes secrets as constructs, to which it grants more than reading them.
	definition.Node().DefaultChild().(awsbatch.CfnJobDefinition).AddPropertyOverride(jsii.String("ContainerProperties.Secrets"), list)
}

// newAgent makes the role of the ECS agent for jobs.
func newAgent(stack awscdk.Stack, id, description string) awsiam.Role {
	return awsiam.NewRole(stack, jsii.String(id), &awsiam.RoleProps{
		Description: jsii.String(description),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
}

// secretServices lists the services from which the ECS agent reads secrets of tools.
func (s settings) secretServices() (list []service) {
	used := map[string]bool{}
	for _, t := range s.deployed.Tools {
		for _, x := range t.Secrets {
			if place, ok := x.Place(); ok && t.DeployedRoute() != work.RouteLambda {
				used[place.Service] = true
			}
		}
	}
	if used[secretsManager] {
		list = append(list, service{"SecretsManager", awsec2.InterfaceVpcEndpointAwsService_SECRETS_MANAGER()})
	}
	if used[parameterStore] {
		list = append(list, service{"ParameterStore", awsec2.InterfaceVpcEndpointAwsService_SSM()})
	}
	return list
}

// checkSecretRegions refuses secrets of another region for Batch jobs without a route out: endpoints lead to services of the deployment's
// region only. region is "" where it is not known.
func (s settings) checkSecretRegions(region string) error {
	if region == "" || !s.batch || s.batchNetwork != "isolated" {
		return nil
	}
	var list []error
	for _, t := range s.deployed.Tools {
		for _, x := range t.Secrets {
			if place, ok := x.Place(); ok && place.Region != region && t.DeployedRoute() != work.RouteLambda {
				list = append(list, fmt.Errorf("mapreel: tools=%s: %s: secrets: %s is in %s and the deployment in %s, which Batch jobs cannot leave: "+
					"copy it to %s, choose batchNetwork=public or the mode lambda", s.toolsFile, t.Name, x.Name, place.Region, region, region))
			}
		}
	}
	return errors.Join(list...)
}
