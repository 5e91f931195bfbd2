package lambdafn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/fault"
)

// secretLife is how long a value is used before it is read again: it may be replaced at any time, and each call costs.
const secretLife = 5 * time.Minute

// Secrets reads secrets from Secrets Manager and the SSM Parameter Store.
type Secrets struct {
	mu   sync.Mutex
	read map[string]secret // by ARN
}

// secret is a value, and when it was read.
type secret struct {
	value string
	at    time.Time
}

// NewSecrets returns Secrets that have read nothing yet.
func NewSecrets() *Secrets { return &Secrets{read: map[string]secret{}} }

// Read returns the value of the secret or parameter of an ARN in a region. An error is Transient where another attempt may succeed, and
// Invalid where the ARN, the value or the rights need to be corrected.
func (s *Secrets) Read(ctx context.Context, region, arn string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Round(0) // by the wall clock: the monotonic clock may stand still while Lambda has the function frozen
	if known, ok := s.read[arn]; ok && now.Sub(known.at) < secretLife {
		return known.value, nil
	}
	conf, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "settings of AWS")
	}
	get := fromSecretsManager
	if strings.Contains(arn, ":ssm:") {
		get = fromParameterStore
	}
	value, err := get(ctx, conf, arn)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", fmt.Errorf("read %s: %w", arn, fault.ContextError(ctx))
	case err != nil:
		kind, hint := classifySecretError(err)
		return "", &fault.Error{Kind: kind, What: "read " + arn, Hint: hint, Err: err}
	case value == nil:
		return "", fault.New(fault.Invalid, "read %s: the value is binary, and a variable holds text", arn)
	case *value == "" || strings.ContainsRune(*value, 0):
		return "", fault.New(fault.Invalid, "read %s: the value is empty or has a zero byte, which no variable can hold", arn)
	}
	s.read[arn] = secret{*value, now}
	return *value, nil
}

func fromSecretsManager(ctx context.Context, conf aws.Config, arn string) (*string, error) {
	out, err := secretsmanager.NewFromConfig(conf).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return nil, err
	}
	return out.SecretString, nil
}

func fromParameterStore(ctx context.Context, conf aws.Config, arn string) (*string, error) {
	out, err := ssm.NewFromConfig(conf).GetParameter(ctx, &ssm.GetParameterInput{Name: &arn, WithDecryption: aws.Bool(true)})
	if err != nil || out.Parameter == nil {
		return nil, err
	}
	return out.Parameter.Value, nil
}

// classifySecretError returns the kind of an error of the SDK, and a hint or "". Without an answer of the service, another attempt may get one.
func classifySecretError(err error) (fault.Kind, string) {
	var api smithy.APIError
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &answer) {
		return fault.Transient, ""
	}
	code, status := api.ErrorCode(), answer.HTTPStatusCode()
	switch {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, strings.HasPrefix(code, "Throttl"):
		return fault.Transient, ""
	case code == "ExpiredTokenException", code == "RequestLimitExceeded", code == "LimitExceededException", code == "TooManyRequestsException":
		return fault.Transient, ""
	case code == "AccessDeniedException":
		return fault.Invalid, "check that the ARN in the tools file is the whole one, and that the policies of the secret and of its key allow this role to read it"
	case code == "ResourceNotFoundException", code == "ParameterNotFound":
		return fault.Invalid, "create it, or correct the ARN in the tools file and deploy again"
	}
	return fault.Internal, ""
}
