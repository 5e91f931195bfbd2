// Package statemachine holds the workflow: the one definition in Amazon States Language that Step Functions runs on AWS
// and pkg/asl runs on one machine.
//
// The definition names no resource. Where one belongs it has a placeholder, ${Name}, which Resources fills:
//
//	body, err := statemachine.Substitute(statemachine.Resources{Partition: "aws", Analyse: analyseARN, …})
//
// A unit's class selects its function and its Batch job definition, so a new class needs no change of the definition.
package statemachine

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed mapreel.asl.json
var definition string

// placeholder is the syntax of CloudFormation's definition substitutions, which fill the same placeholders on AWS.
var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`)

// Definition returns the definition with its placeholders. The caller owns the bytes.
func Definition() []byte { return []byte(definition) }

// TimeLimit returns how long an execution may run, from its start or its last redrive.
func TimeLimit() time.Duration {
	var machine struct{ TimeoutSeconds int }
	_ = json.Unmarshal([]byte(definition), &machine) // a test loads the definition
	return time.Duration(machine.TimeoutSeconds) * time.Second
}

// Resources are what the definition works with.
type Resources struct {
	Partition string // "aws"
	Analyse   string // ARN of the function that plans jobs
	Finish    string // ARN of the function that ends them

	Functions      map[string]string // ARNs of the functions that run units, by class: "encode"
	JobDefinitions map[string]string // ARNs of Batch job definitions, by class; of GPU jobs by JobDefinitionKey
	BatchQueue     string            // ARN of the CPU queue, or Absent
	GpuQueue       string            // ARN of the GPU queue, or Absent
}

// Absent stands for a queue that a deployment does not have. No unit gets that route then.
const Absent = "none"

// JobDefinitionKey is the key in Resources.JobDefinitions of a class: the definition tells GPU jobs apart by a suffix.
func JobDefinitionKey(class string, gpu bool) string {
	if gpu {
		return class + "/gpu"
	}
	return class
}

// Values returns what stands in each placeholder. A value that would not survive in a JSONata string within a JSON string is
// an error, and so is an empty one.
func (r Resources) Values() (map[string]string, error) {
	values := map[string]string{
		"Partition": r.Partition, "Analyse": r.Analyse, "Finish": r.Finish, "BatchQueue": r.BatchQueue, "GpuQueue": r.GpuQueue,
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := check(name, values[name]); err != nil {
			return nil, err
		}
	}
	for name, byClass := range map[string]map[string]string{"Functions": r.Functions, "JobDefinitions": r.JobDefinitions} {
		text, err := jsonataObject(name, byClass)
		if err != nil {
			return nil, err
		}
		values[name] = text
	}
	return values, nil
}

// jsonataObject writes a JSONata object that maps classes to ARNs.
func jsonataObject(name string, byClass map[string]string) (string, error) {
	var fields []string
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		for _, text := range []string{class, byClass[class]} {
			if err := check(name, text); err != nil {
				return "", err
			}
		}
		fields = append(fields, fmt.Sprintf("'%s': '%s'", class, byClass[class]))
	}
	return "{" + strings.Join(fields, ", ") + "}", nil
}

func check(name, value string) error {
	if value == "" {
		return fmt.Errorf("state machine definition: no value for the placeholder ${%s}", name)
	}
	if i := strings.IndexFunc(value, breaksOut); i >= 0 {
		return fmt.Errorf("state machine definition: the value %q of ${%s} contains %q, which it cannot hold", value, name, value[i])
	}
	return nil
}

// breaksOut reports characters that would end or alter a JSONata string within a JSON string.
func breaksOut(r rune) bool {
	return r < ' ' || strings.ContainsRune(`"'\%`, r)
}

// Placeholders lists the names of all placeholders in the definition, sorted, each once.
func Placeholders() []string {
	names := map[string]bool{}
	for _, match := range placeholder.FindAllStringSubmatch(definition, -1) {
		names[match[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Substitute returns the definition with every placeholder filled. A placeholder without a value, and a value without a
// placeholder, are errors.
func Substitute(r Resources) ([]byte, error) {
	values, err := r.Values()
	if err != nil {
		return nil, err
	}
	if have, want := slices.Sorted(maps.Keys(values)), Placeholders(); !slices.Equal(have, want) {
		return nil, fmt.Errorf("state machine definition: it has the placeholders %v, and the values are for %v", want, have)
	}
	return []byte(placeholder.ReplaceAllStringFunc(definition, func(match string) string {
		return values[match[2:len(match)-1]]
	})), nil
}
