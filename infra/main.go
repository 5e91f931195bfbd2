// Command infra describes mapreel on AWS. `npx cdk deploy` runs it; `make deploy` is the same with
// a check before.
//
// Read stack.go first: it lists all resources from top to bottom. settings.go has what a deployment
// can choose, classes.go the memory, time, disk and rights of each class of work.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	err := synthesise()
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func synthesise() error {
	app := awscdk.NewApp(nil)
	chosen, err := parseSettings(app.Node().GetAllContext(nil))
	if err != nil {
		return err
	}
	region := os.Getenv("CDK_DEFAULT_REGION") // set by the CDK's command line
	if err := errors.Join(chosen.checkRegion(region), chosen.checkSecretRegions(region)); err != nil {
		return err
	}
	if err := newStack(app, chosen, "."); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
