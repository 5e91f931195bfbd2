// Package cloud examines an AWS account and region: before a deploy, whether it would succeed and what it could run; after
// one, whether stack, state machine and image belong together.
//
//	region, err := cloud.Open(ctx)
//	report := region.Examine(ctx, cloud.Options{Stack: "mapreel", Definition: statemachine.Definition()})
//
// It only reads. What it may not read, it reports as a warning and goes on.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/doctor"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Options are what is, or will be, deployed: the settings of the same names. Stack, Definition and Docker are required.
type Options struct {
	Stack       string
	Definition  []byte                          // the state machine's, with its placeholders
	Docker      func(ctx context.Context) error // says why Docker cannot build here
	ImageURI    string                          // an image in ECR; "": Docker builds one
	Files       bool                            // scratch is a file system, so that functions are in the network
	Batch, GPU  bool                            // there is a queue, and one of GPU instances
	Memory      int32                           // functionMemory, MiB; 0: the default
	Families    []string                        // of the CPU queue
	GPUFamilies []string
	VPC         string   // an existing network; "": one is made
	Subnets     []string // of VPC
}

// Region is an account and a region that credentials of this machine lead to.
type Region struct{ conf aws.Config }

// Open reads the SDK's own settings: the profile and the environment. It calls no service.
func Open(ctx context.Context) (Region, error) {
	conf, err := config.LoadDefaultConfig(ctx)
	return Region{conf}, fault.Wrap(fault.Invalid, err, "settings of AWS")
}

// Policy returns the least policy with which a user can deploy here, and with which all checks of Examine are answered.
func (r Region) Policy(ctx context.Context) (string, error) {
	if r.conf.Region == "" {
		return "", fault.WithHint(fault.New(fault.Invalid, "no AWS region is set"), regionHint)
	}
	who, err := sts.NewFromConfig(r.conf).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fault.WithHint(fault.New(fault.Invalid, "AWS credentials: %s", brief(err)), credentialsHint)
	}
	return policy(aws.ToString(who.Account), r.conf.Region), nil
}

const (
	regionHint      = "set AWS_REGION, or a region in the profile"
	credentialsHint = "log in, with aws configure or aws sso login, or set AWS_PROFILE"
)

// examiner holds the clients and what has been found out.
type examiner struct {
	Options
	doctor.Report
	conf            aws.Config
	account, region string
}

// Examine examines the account and the region.
func (r Region) Examine(ctx context.Context, o Options) doctor.Report {
	e := &examiner{Options: o, conf: r.conf, region: r.conf.Region}
	if e.region == "" {
		e.fail("region", "no region is set", regionHint)
		return e.Report
	}
	if !e.identity(ctx) {
		return e.Report
	}
	e.concurrency(ctx)
	e.memory()
	e.families(ctx)
	e.quotas(ctx)
	e.network(ctx)
	e.bootstrap(ctx)
	e.roles(ctx)
	e.image(ctx)
	e.stack(ctx)
	return e.Report
}

func (e *examiner) add(name string, level doctor.Level, text, hint string) {
	e.Report = append(e.Report, doctor.Check{Name: name, Level: level, Text: text, Hint: hint})
}

func (e *examiner) ok(name, format string, args ...any) {
	e.add(name, doctor.OK, fmt.Sprintf(format, args...), "")
}
func (e *examiner) warn(name, text, hint string) { e.add(name, doctor.Warning, text, hint) }
func (e *examiner) fail(name, text, hint string) { e.add(name, doctor.Failure, text, hint) }

// unread reports a call that was refused or failed. action is the IAM action that allows it.
func (e *examiner) unread(name, action string, err error) {
	hint := "try again"
	if isDenied(err) {
		hint = "allow " + action + "; mapreel doctor --policy prints all that is needed"
	}
	e.warn(name, "unknown: "+brief(err), hint)
}

// identity finds out whose credentials these are.
func (e *examiner) identity(ctx context.Context) bool {
	who, err := e.sts().GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		hint := credentialsHint
		if _, unsent := errors.AsType[*smithyhttp.RequestSendError](err); unsent {
			hint = "AWS was not reached: see whether this machine has a way to it"
		}
		e.fail("credentials", brief(err), hint)
		return false
	}
	e.account = aws.ToString(who.Account)
	e.ok("credentials", "account %s, region %s, as %s", e.account, e.region, aws.ToString(who.Arn))
	return true
}

// Quotas of concurrent functions. 720 segments and 24 audio parts finished with 10 in a simulation, but new accounts share
// those with everything else that runs there.
const (
	fewFunctions  = 100
	lambdaQuotaID = "L-B99A9384" // Service Quotas, lambda, "Concurrent executions"
)

// concurrency reads how many functions can run at once.
func (e *examiner) concurrency(ctx context.Context) {
	const name = "function concurrency"
	out, err := e.lambda().GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		e.unread(name, "lambda:GetAccountSettings", err)
		return
	}
	limit, free := out.AccountLimit.ConcurrentExecutions, aws.ToInt32(out.AccountLimit.UnreservedConcurrentExecutions)
	text := fmt.Sprintf("%d, of which %d are not reserved", limit, free)
	switch {
	case free < 1:
		e.fail(name, text, "every function of mapreel would be throttled: take back a reserved concurrency")
	case free < fewFunctions:
		e.warn(name, text, fmt.Sprintf("as many segments are encoded at once: deploy with -c functionConcurrency=%d, and ask for more: "+
			"aws service-quotas request-service-quota-increase --service-code lambda --quota-code %s --desired-value 1000", free, lambdaQuotaID))
	default:
		e.ok(name, "%s", text)
	}
}

// newAccountMemory is the most that new accounts allow a function, in MiB. No call of AWS tells an account's own limit; the
// error on deploying does ("'MemorySize' value failed to satisfy constraint").
const newAccountMemory = 3008

func (e *examiner) memory() {
	switch {
	case e.Memory > newAccountMemory:
		e.warn("function memory", fmt.Sprintf("%d MiB; new accounts allow %d", e.Memory, newAccountMemory),
			"if the deploy fails with 'MemorySize', deploy with -c functionMemory=3008 or ask AWS Support for more")
	default:
		e.ok("function memory", "%d MiB, which every account allows", max(e.Memory, newAccountMemory))
	}
}

// isDenied reports whether a call failed for lack of permission.
func isDenied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (strings.Contains(api.ErrorCode(), "AccessDenied") || strings.Contains(api.ErrorCode(), "Unauthorized") || //nolint:misspell // AWS's own word
		strings.Contains(api.ErrorCode(), "NotAuthorized"))
}

// isCode reports whether a call failed with a code.
func isCode(err error, code string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == code
}

// brief returns what a service said, without the SDK's frame.
func brief(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSpace(api.ErrorCode() + ": " + api.ErrorMessage())
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if i := strings.LastIndex(text, "exceeded maximum number of attempts"); i >= 0 {
		text = text[i:]
	}
	return text
}

// The clients of one configuration, made where they are used.
func (e *examiner) batch() *batch.Client                 { return batch.NewFromConfig(e.conf) }
func (e *examiner) ecr() *ecr.Client                     { return ecr.NewFromConfig(e.conf) }
func (e *examiner) lambda() *lambda.Client               { return lambda.NewFromConfig(e.conf) }
func (e *examiner) servicequotas() *servicequotas.Client { return servicequotas.NewFromConfig(e.conf) }

func (e *examiner) cloudformation() *cloudformation.Client {
	return cloudformation.NewFromConfig(e.conf)
}
func (e *examiner) sfn() *sfn.Client { return sfn.NewFromConfig(e.conf) }
func (e *examiner) sts() *sts.Client { return sts.NewFromConfig(e.conf) }
