package asl

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mapreel/mapreel/pkg/asl/definition"
)

// childInput is the input of an iteration or child execution of a Map.
type childInput struct {
	index int             // of the iteration or child, from 0
	items int             // number of items: 1, or those of a batch
	item  json.RawMessage // without a batch: the item before ItemSelector
	input json.RawMessage
}

// inputs makes the inputs of a Map's children from its items.
type inputs struct {
	attempt   *mapAttempt
	source    *itemSource
	selecting data     // decodes the state's input once for all items
	batch     *batcher // nil: each item is an input
	index     int
	read      int             // items
	held      json.RawMessage // an item that the last batch had no room for
	ended     bool            // the source has no more items
}

// next returns the next input; false if there is none.
func (in *inputs) next(ctx context.Context) (childInput, bool, error) {
	child := childInput{index: in.index}
	var more bool
	var err error
	if in.batch != nil {
		child.input, child.items, err = in.nextBatch(ctx)
		more = child.items > 0
	} else {
		child.items = 1
		child.item, child.input, more, err = in.nextItem(ctx)
	}
	if err == nil && more {
		err = checkPayload(fmt.Sprintf("the input of iteration %d has", in.index), child.input)
	}
	in.index++
	return child, more, err
}

// nextItem returns the next item, and its form after ItemSelector.
func (in *inputs) nextItem(ctx context.Context) (item, selected json.RawMessage, more bool, err error) {
	if in.ended {
		return nil, nil, false, nil
	}
	item, more, err = in.source.next()
	if err != nil || !more {
		in.ended = true
		return nil, nil, false, err
	}
	index := in.read
	in.read++
	if a := in.attempt; a.run != nil && in.source.total < 0 {
		a.mu.Lock()
		a.run.Items.Total++
		a.run.Items.Pending++
		a.mu.Unlock()
	}
	selector := in.selecting.state.Map.Selector
	if selector == nil {
		return item, item, true, nil
	}
	in.selecting.item, in.selecting.itemValue = &mapItem{index, item}, lazy{}
	selected, err = selector.Eval(ctx, &in.selecting)
	return item, selected, true, err
}

// batcher is an ItemBatcher with its fields evaluated.
type batcher struct {
	most    int    // items; 0 is no limit
	bytes   int    // of the child's input
	opening string // of the child's input, up to the first item
}

const batchEnd = "]}"

// newBatcher evaluates an ItemBatcher; nil if the Map has none.
func newBatcher(ctx context.Context, m *definition.Map, d *data) (*batcher, error) {
	if m.Batcher == nil {
		return nil, nil
	}
	most, err := m.Batcher.MaxItems.Eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	bytes, err := m.Batcher.MaxBytes.Eval(ctx, d, maxPayload)
	if err != nil {
		return nil, err
	}
	b := &batcher{most: int(most), bytes: int(bytes), opening: `{"Items":[`}
	if m.Batcher.Input != nil {
		input, err := m.Batcher.Input.Eval(ctx, d)
		if err != nil {
			return nil, err
		}
		b.opening = `{"BatchInput":` + string(input) + `,"Items":[` // in Step Functions' order
	}
	return b, nil
}

// nextBatch returns the input of a child that processes as many items as the limits allow; no items
// at the end.
func (in *inputs) nextBatch(ctx context.Context) (input json.RawMessage, items int, err error) {
	b := in.batch
	input = append(input, b.opening...)
	for b.most == 0 || items < b.most {
		item := in.held
		in.held = nil
		if item == nil {
			var more bool
			if _, item, more, err = in.nextItem(ctx); err != nil {
				return nil, 0, err
			}
			if !more {
				break
			}
		}
		size := len(input) + len(item) + len(batchEnd)
		if items > 0 && size+1 > b.bytes {
			in.held = item
			break
		}
		if size > b.bytes {
			return nil, 0, limitError("a batch of one item has", size, b.bytes)
		}
		if items > 0 {
			input = append(input, ',')
		}
		input = append(input, item...)
		items++
	}
	return append(input, batchEnd...), items, nil
}
