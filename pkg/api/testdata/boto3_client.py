# Uses the Step Functions API of a server through boto3, as programs written for AWS do, and compares every answer with botocore's model
# of the service: names, types and required members.
#   python3 boto3_client.py URL INPUT GATE
# INPUT is the input of an execution whose units wait until the file GATE is there.
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, text, gate = sys.argv[1:]
machine = 'arn:aws:states:local:000000000000:stateMachine:mapreel'
settings = dict(endpoint_url=url, region_name='local', aws_access_key_id='any', aws_secret_access_key='any')
sfn = boto3.client('stepfunctions', **settings)
# Another one that asks for everything that the model has, without looking at the parameters first.
raw = boto3.client('stepfunctions', config=Config(parameter_validation=False, inject_host_prefix=False, retries={'total_max_attempts': 1}), **settings)
problems = []
asked = set()


def check(ok, what):
    if not ok:
        problems.append(what)


def compare(shape, value, where):
    kinds = {'string': str, 'timestamp': (int, float), 'integer': int, 'long': int, 'boolean': bool, 'float': (int, float), 'double': (int, float)}
    if shape.type_name == 'structure':
        for name in shape.required_members:
            check(name in value, where + ' has no ' + name)
        for name, member in value.items():
            if name in shape.members:
                compare(shape.members[name], member, where + '.' + name)
            else:
                check(False, where + ' has the unknown member ' + name)
    elif shape.type_name == 'list':
        for i, member in enumerate(value):
            compare(shape.member, member, '%s[%d]' % (where, i))
    elif shape.type_name in kinds:
        check(isinstance(value, kinds[shape.type_name]), '%s is %r, not a %s' % (where, value, shape.type_name))
        if getattr(shape, 'enum', None):
            check(value in shape.enum, '%s is %r, not one of %s' % (where, value, shape.enum))


def answered(operation_model, response_dict, **_):
    asked.add(operation_model.name)
    if response_dict['status_code'] == 200:
        compare(operation_model.output_shape, json.loads(response_dict['body']), operation_model.name)


sfn.meta.events.register('before-parse.sfn.*', answered)


def refused(error, call, **parameters):
    try:
        check(False, '%s answers %s' % (error, call(**parameters)))
    except ClientError as e:
        check(e.response['Error']['Code'] == error, 'the error is %s, want %s' % (e.response['Error'], error))
        return e


def wait(arn, *statuses):
    for _ in range(600):
        x = sfn.describe_execution(executionArn=arn)
        if x['status'] in statuses:
            return x
        time.sleep(0.1)
    raise SystemExit('%s stays %s' % (arn, x['status']))


check([m['stateMachineArn'] for m in sfn.list_state_machines()['stateMachines']] == [machine], 'there are other state machines')
definition = sfn.describe_state_machine(stateMachineArn=machine)['definition']
check(sfn.validate_state_machine_definition(definition=definition)['result'] == 'OK', 'its definition is not valid')
check(sfn.validate_state_machine_definition(definition='{"StartAt": "x"}')['diagnostics'], 'a bad definition has no diagnostics')
check(sfn.list_tags_for_resource(resourceArn=machine)['tags'] == [], 'there are tags')

started = sfn.start_execution(stateMachineArn=machine, name='film', input=text)
arn = started['executionArn']
check(sfn.start_execution(stateMachineArn=machine, name='film', input=text)['startDate'] == started['startDate'], 'the same again is another execution')
refused('ExecutionAlreadyExists', sfn.start_execution, stateMachineArn=machine, name='film', input='{}')
try:
    sfn.start_execution(stateMachineArn=machine, name='film', input='{}')
except sfn.exceptions.ExecutionAlreadyExists:
    pass
refused('InvalidExecutionInput', sfn.start_execution, stateMachineArn=machine, input='{')
refused('InvalidName', sfn.start_execution, stateMachineArn=machine, name='a b')
refused('StateMachineDoesNotExist', sfn.start_execution, stateMachineArn=machine + 'x')
refused('ExecutionDoesNotExist', sfn.describe_execution, executionArn=arn + 'x')
refused('InvalidArn', sfn.describe_execution, executionArn='film')
refused('ExecutionNotRedrivable', sfn.redrive_execution, executionArn=arn)
check(sfn.describe_state_machine_for_execution(executionArn=arn)['definition'] == definition, 'the execution has another definition')

for _ in range(600):
    if sfn.list_map_runs(executionArn=arn)['mapRuns']:
        break
    time.sleep(0.1)
sfn.stop_execution(executionArn=arn, error='Enough', cause='for now')
x = wait(arn, 'ABORTED')
check((x['error'], x['cause'], x['redriveStatus']) == ('Enough', 'for now', 'REDRIVABLE'), 'stopped it is %s' % x)
open(gate, 'w').close()
sfn.redrive_execution(executionArn=arn)
x = wait(arn, 'SUCCEEDED', 'FAILED')
check(x['status'] == 'SUCCEEDED' and x['redriveCount'] == 1 and json.loads(x['output'])['outputs'], 'redriven it is %s' % x)
check(x['startDate'] < x['redriveDate'] <= x['stopDate'], 'its times are not in order: %s' % x)

events = [e for page in sfn.get_paginator('get_execution_history').paginate(executionArn=arn, PaginationConfig={'PageSize': 3}) for e in page['events']]
check([e['id'] for e in events] == list(range(1, len(events) + 1)), 'the history has gaps')
check(events[0]['type'] == 'ExecutionStarted' and events[-1]['type'] == 'ExecutionSucceeded', 'the history begins or ends in another way')
check('ExecutionRedriven' in [e['type'] for e in events], 'no redrive is in the history')
last = sfn.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1, includeExecutionData=False)['events'][0]
check(last['id'] == len(events), 'the history does not run backwards')
runs = [r for page in sfn.get_paginator('list_map_runs').paginate(executionArn=arn, PaginationConfig={'PageSize': 1}) for r in page['mapRuns']]
check(len(runs) == 2, '%d map runs, want one before the redrive and one after' % len(runs))
run = sfn.describe_map_run(mapRunArn=runs[0]['mapRunArn'])
check(run['status'] == 'SUCCEEDED' and run['itemCounts']['succeeded'] == run['itemCounts']['total'] > 0, 'the map run is %s' % run)
children = [c for page in sfn.get_paginator('list_executions').paginate(mapRunArn=runs[0]['mapRunArn'], PaginationConfig={'PageSize': 1}) for c in page['executions']]
check(len(children) == run['itemCounts']['total'], '%d children' % len(children))
child = sfn.describe_execution(executionArn=children[0]['executionArn'])
check(child['mapRunArn'] == runs[0]['mapRunArn'], 'the child has another map run')
sfn.get_execution_history(executionArn=children[0]['executionArn'])
for status, count in (('SUCCEEDED', 1), ('FAILED', 0)):
    check(len(sfn.list_executions(stateMachineArn=machine, statusFilter=status)['executions']) == count, 'the filter does not filter')

supported = set(asked)
for name in raw.meta.service_model.operation_names:
    if name in supported:
        continue
    try:
        raw._make_api_call(name, {})
        check(False, name + ' is answered')
    except ClientError as e:
        error = e.response['Error']
        check(error['Code'] == 'UnknownOperationException' and name in error['Message'], '%s is refused with %s' % (name, error))
for p in problems:
    print(p, file=sys.stderr)
print('%d operations, %d refused' % (len(supported), len(raw.meta.service_model.operation_names) - len(supported)))
sys.exit(1 if problems else 0)
