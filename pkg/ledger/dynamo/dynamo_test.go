package dynamo_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo/dynamotest"
	"github.com/mapreel/mapreel/pkg/ledger/ledgertest"
)

func TestLedgerKeepsTheContract(t *testing.T) {
	server := dynamotest.Start(t)
	client := server.Client(nil)
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return dynamo.New(client, server.NewTable(t)) })
}
