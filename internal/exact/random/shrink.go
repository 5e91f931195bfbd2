package main

import (
	"context"

	"github.com/mapreel/mapreel/internal/exact/recipe"
)

// shrunk is the simplest recipe that still fails in the same class.
type shrunk struct {
	recipe  recipe.Recipe
	usual   []string // the properties that need not be unusual
	verdict verdict
}

// shrink makes one unusual property after the other usual, and keeps what try finds to fail still.
func shrink(ctx context.Context, o outcome, try func(context.Context, recipe.Recipe) (verdict, error)) (*shrunk, error) {
	s := &shrunk{recipe: o.recipe, verdict: o.verdict}
	for {
		smaller, err := s.step(ctx, o.verdict.class, try)
		if err != nil || !smaller {
			return s, err
		}
	}
}

// step makes as many properties usual as it can, one after the other, and reports whether it could.
func (s *shrunk) step(ctx context.Context, same class, try func(context.Context, recipe.Recipe) (verdict, error)) (smaller bool, err error) {
	candidates := []recipe.Property{{Name: "Formats", Usual: recipe.Recipe.Formats}}
	for tried := map[string]bool{}; ; {
		next := (*recipe.Property)(nil)
		for _, p := range append(candidates, s.recipe.Properties()...) {
			if !tried[p.Name] {
				next = &p
				break
			}
		}
		if next == nil {
			return smaller, nil
		}
		tried[next.Name] = true
		r := next.Usual(s.recipe)
		if r.Problem() != "" || r.String() == s.recipe.String() {
			continue
		}
		v, err := try(ctx, r)
		if err != nil {
			return smaller, err
		}
		if v.class == same {
			s.recipe, s.verdict, smaller = r, v, true
			s.usual = append(s.usual, next.Name)
			if len(next.Name) == len("Track1") { // the others have new numbers
				return true, nil
			}
		}
	}
}
