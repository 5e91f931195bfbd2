package tool_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/tool"
)

func TestARNsOfSecretsSayWhereTheyAre(t *testing.T) {
	t.Parallel()
	const account = "123456789012"
	for arn, want := range map[string]tool.Place{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:media/words-AbC123": {Partition: "aws", Service: "secretsmanager", Region: "eu-west-1", Account: account},
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:words-AbC123":   {Partition: "aws-cn", Service: "secretsmanager", Region: "cn-north-1", Account: account},
		"arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/media/licence":   {Partition: "aws-us-gov", Service: "ssm", Region: "us-gov-west-1", Account: account},
		"arn:aws:ssm:eu-west-1:123456789012:parameter/licence":                    {Partition: "aws", Service: "ssm", Region: "eu-west-1", Account: account},
		"":        {},
		"licence": {},
		"arn:aws:ssm:eu-west-1:123456789012:parameter//licence":                         {}, // the name's slash is that of the ARN
		"arn:aws:ssm:eu-west-1:123456789012:parameter/licence:3":                        {}, // a version, which rights cannot name
		"arn:aws:ssm:eu-west-1:123456789012:parameter/*":                                {},
		"arn:aws:ssm:eu-west-1:12345678901:parameter/licence":                           {},
		"arn:aws:ssm::123456789012:parameter/licence":                                   {},
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:words":                    {},
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:words-??????":             {},
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:words-AbC123:password::":  {}, // of ECS alone
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:words-AbC123\n":           {},
		"arn:aws:s3:eu-west-1:123456789012:secret:words-AbC123":                         {},
		"arn:other:secretsmanager:eu-west-1:123456789012:secret:words-AbC123":           {},
		" arn:aws:secretsmanager:eu-west-1:123456789012:secret:words-AbC123":            {},
		"arn:aws:secretsmanager:eu-west-1:123456789012:parameter/words-AbC123":          {},
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:${Token[TOKEN.1]}-AbC123": {},
	} {
		if got, ok := (tool.Secret{ARN: arn}).Place(); got != want || ok != (want != tool.Place{}) {
			t.Errorf("%q is at %+v (%v), want %+v", arn, got, ok, want)
		}
	}
}
