package main

import (
	"context"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool"
)

// secretsOf returns a function that returns the value of a secret of a tool. Batch has put it into the worker's environment. A function
// reads it itself, with the ARN that the tools file of the deployment gives.
func secretsOf(
	deployed tool.Deployed, lookup func(string) (string, bool), read func(ctx context.Context, region, arn string) (string, error),
) func(ctx context.Context, tool, name string) (string, error) {
	return func(ctx context.Context, toolName, name string) (string, error) {
		value, passed := lookup(tool.SecretVariable + name)
		if passed && value == "" { // as where a function reads it
			return "", fault.New(fault.Invalid, "the value is empty")
		}
		if passed {
			return value, nil
		}
		for _, t := range deployed.Tools {
			for _, secret := range t.Secrets {
				if place, ok := secret.Place(); ok && t.Name == toolName && secret.Name == name {
					return read(ctx, place.Region, secret.ARN)
				}
			}
		}
		return "", fault.New(fault.Internal, "this deployment does not know where it is")
	}
}
