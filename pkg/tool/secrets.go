package tool

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/mapreel/mapreel/pkg/film"
)

// Secrets are the environment variables of a tool whose values must not be recorded.
type Secrets []Secret

// Secret is one of them. On one machine, its value is that of the variable of this name in the environment of mapreel.
type Secret struct {
	Name string
	// ARN says where a deployment finds the value: a secret of AWS Secrets Manager, or a parameter of the SSM Parameter Store.
	// "": it is not known.
	ARN string
}

// SecretVariable begins the names of the variables in which Batch passes secrets to a worker. Those of tools themselves would replace the
// worker's own.
const SecretVariable = "MAPREEL_SECRET_" //nolint:gosec // the beginning of names

// maxSecrets is how many secrets a tool may have.
const maxSecrets = 20

// UnmarshalJSON reads a list of names, or an object of ARNs by name.
func (s *Secrets) UnmarshalJSON(data []byte) error {
	const form = "must be a list of names of environment variables, or for a deployment {NAME: ARN}; at most 20"
	var list Secrets
	if bytes.HasPrefix(data, []byte("{")) {
		var arns map[string]string
		if json.Unmarshal(data, &arns) != nil {
			return errors.New(form)
		}
		for name, arn := range arns {
			if arn == "" {
				return errors.New(form)
			}
			list = append(list, Secret{name, arn})
		}
		slices.SortFunc(list, func(a, b Secret) int { return cmp.Compare(a.Name, b.Name) })
	} else {
		var names []string
		if json.Unmarshal(data, &names) != nil {
			return errors.New(form)
		}
		for _, name := range names {
			list = append(list, Secret{Name: name})
		}
	}
	if len(list) > maxSecrets {
		return errors.New(form)
	}
	*s = list
	return nil
}

// MarshalJSON returns the form that UnmarshalJSON reads.
func (s Secrets) MarshalJSON() ([]byte, error) {
	if !slices.ContainsFunc(s, func(x Secret) bool { return x.ARN != "" }) {
		return json.Marshal(s.names())
	}
	arns := map[string]string{}
	for _, x := range s {
		arns[x.Name] = x.ARN
	}
	return json.Marshal(arns)
}

func (s Secrets) names() []string {
	names := make([]string, len(s))
	for i, x := range s {
		names[i] = x.Name
	}
	return names
}

// WithoutARNs returns the secrets as jobs record them: where a value lies changes no output, and is not for those who read the record.
func (s Secrets) WithoutARNs() (list Secrets) {
	for _, x := range s {
		list = append(list, Secret{Name: x.Name})
	}
	return list
}

// has reports whether a variable is among the secrets.
func (s Secrets) has(name string) bool {
	return slices.ContainsFunc(s, func(x Secret) bool { return x.Name == name })
}

// Pointer returns the pointer of the i-th secret below that of its tool.
func (s Secrets) Pointer(i int) string {
	if s[i].ARN != "" {
		return "/secrets/" + film.PointerStep(s[i].Name)
	}
	return fmt.Sprintf("/secrets/%d", i)
}

// secretARN matches the ARNs of a secret in Secrets Manager, with the six characters that end it, and of a parameter. Compiling it takes
// 20 ms because of its long repetitions, and this program is started once for each piece.
var secretARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:(aws[a-z-]*):(?:(secretsmanager):([a-z0-9-]+):([0-9]{12}):secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}` +
		`|(ssm):([a-z0-9-]+):([0-9]{12}):parameter/[A-Za-z0-9_.-][A-Za-z0-9_./-]{0,999})$`)
})

const noSecretARN = "must be the whole ARN of a secret in Secrets Manager, which ends with a hyphen and six characters, or of a parameter in the SSM " +
	"Parameter Store"

// Place is where an ARN of a secret leads.
type Place struct{ Partition, Service, Region, Account string }

// Place returns what the parts of the ARN are. Service is secretsmanager or ssm. ok is false if it is none.
func (s Secret) Place() (p Place, ok bool) {
	m := secretARN().FindStringSubmatch(s.ARN)
	if m == nil {
		return p, false
	}
	return Place{m[1], m[2] + m[5], m[3] + m[6], m[4] + m[7]}, true
}
