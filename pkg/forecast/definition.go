package forecast

import (
	"fmt"
	"sync"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/statemachine"
)

// Names of the functions that belong to no class of units.
const (
	analyse = "analyse"
	finish  = "finish"
)

// Machine returns the definition that is deployed, in which the functions have the names of their classes.
func Machine(classes ...string) (*definition.Machine, error) {
	res := statemachine.Resources{
		Partition: "aws", Analyse: analyse, Finish: finish, BatchQueue: "queue", GpuQueue: "gpu",
		Functions: map[string]string{}, JobDefinitions: map[string]string{},
	}
	for _, class := range classes {
		res.Functions[class] = class
		for _, gpu := range []bool{false, true} {
			res.JobDefinitions[statemachine.JobDefinitionKey(class, gpu)] = class
		}
	}
	text, err := statemachine.Substitute(res)
	if err != nil {
		return nil, err
	}
	m, err := definition.Load(text)
	if err != nil {
		return nil, fmt.Errorf("state machine: %w", err)
	}
	return m, nil
}

// Default is the machine with the classes of mapreel's own units.
var Default = sync.OnceValues(func() (*definition.Machine, error) { return Machine("split", "audio", "encode", "merge", "render") })
