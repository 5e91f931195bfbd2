package lambdafn

import (
	"context"
	"errors"
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
// otherwise Internal: the author of a request can do nothing about it.
func (s *Secrets) Read(ctx context.Context, region, arn string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.read[arn]; ok && time.Since(known.at) < secretLife {
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
	case err != nil:
		return "", fault.Wrap(kindOfSecretError(ctx, err), err, "read "+arn)
	case value == nil:
		return "", fault.New(fault.Internal, "read %s: it is no text", arn)
	case *value == "" || strings.ContainsRune(*value, 0):
		return "", fault.New(fault.Internal, "read %s: it is empty, or has a zero byte, which no variable can have", arn)
	}
	s.read[arn] = secret{*value, time.Now()}
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

// kindOfSecretError tells an answer that will stay the same, such as AccessDenied, from one that will not.
func kindOfSecretError(ctx context.Context, err error) fault.Kind {
	var api smithy.APIError
	var answer *smithyhttp.ResponseError
	if ctx.Err() == nil && errors.As(err, &api) && errors.As(err, &answer) && answer.HTTPStatusCode() < http.StatusInternalServerError &&
		!strings.Contains(api.ErrorCode(), "Throttl") {
		return fault.Internal
	}
	return fault.Transient
}
