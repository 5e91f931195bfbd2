package fdl

// verdict is what becomes of a field.
type verdict string

const (
	read    verdict = "read"
	ignored verdict = "ignored"
	refused verdict = "refused" // where it has a value
)

// field says what becomes of the fields of a path. In a path, [] is any element of a list and * is any name. What lies below a field
// that is ignored or refused shares its fate.
type field struct {
	path    string
	verdict verdict
	why     string // what it becomes, or why it is ignored or refused
}

// Reasons that several fields share.
const (
	ofAWS    = "a setting of the function on AWS, which has no effect on one machine"
	ofOSCAR  = "a setting of OSCAR's cluster"
	position = "its bucket and folder become a folder below the destination of mapreel run"
	secret   = "credentials do not belong in a file: remove it; mapreel takes those of AWS from the environment"
	service  = "a service that listens is no tool, which ends with its piece"
)

// fields are all that FDL has, as SCAR (e6c8b06) and OSCAR read it.
var fields = []field{ //nolint:gochecknoglobals // a table
	{"functions.aws[].lambda.name", read, "the tool's name, in lower case"},
	{"functions.aws[].lambda.container.image", read, "image"},
	{"functions.aws[].lambda.container.image_file", refused, "an image in a file cannot be used: push it to a registry and name it with image"},
	{"functions.aws[].lambda.container.environment.Variables.*", read, "environment"},
	{"functions.aws[].lambda.container.timeout_threshold", ignored, "mapreel hands over to Batch when a tool's progress shows that it will exceed the time, and else as late as the function allows"},
	{"functions.aws[].lambda.container.create_image", ignored, ofAWS},
	{"functions.aws[].lambda.environment.Variables.*", read, "environment"},
	{"functions.aws[].lambda.init_script", read, "script; its first line selects the interpreter, where SCAR always takes /bin/sh"},
	{"functions.aws[].lambda.run_script", refused, "a script of one invocation cannot be part of a tool: name it with init_script"},
	{"functions.aws[].lambda.execution_mode", read, "mode"},
	{"functions.aws[].lambda.memory", read, "memory; SCAR's default is 512"},
	{"functions.aws[].lambda.timeout", read, "timeout, in mode lambda; SCAR's default is 300"},
	{"functions.aws[].lambda.input[].storage_provider", read, "with path, it finds the function whose output this is"},
	{"functions.aws[].lambda.input[].path", read, "each: {tool: …} where it is the output of another function, and else each: file"},
	{"functions.aws[].lambda.output[].storage_provider", ignored, "results are published below the destination of mapreel run"},
	{"functions.aws[].lambda.output[].path", read, position},
	{"functions.aws[].lambda.output[].prefix", read, "prefix"},
	{"functions.aws[].lambda.output[].suffix", read, "suffix"},
	{"functions.aws[].lambda.asynchronous", ignored, ofAWS},
	{"functions.aws[].lambda.boto_profile", ignored, ofAWS},
	{"functions.aws[].lambda.region", ignored, ofAWS},
	{"functions.aws[].lambda.description", ignored, ofAWS},
	{"functions.aws[].lambda.runtime", ignored, ofAWS},
	{"functions.aws[].lambda.layers", ignored, ofAWS},
	{"functions.aws[].lambda.tags", ignored, ofAWS},
	{"functions.aws[].lambda.vpc", ignored, ofAWS},
	{"functions.aws[].lambda.ephemeral_storage", ignored, ofAWS},
	{"functions.aws[].lambda.extra_payload", ignored, ofAWS},
	{"functions.aws[].lambda.log_level", ignored, "the last lines of a tool are in its error"},
	{"functions.aws[].lambda.supervisor", ignored, "mapreel takes the part of the supervisor"},
	{"functions.aws[].batch.vcpus", read, "vcpus"},
	{"functions.aws[].batch.memory", read, "memory, in mode batch; in mode lambda-batch the larger of both; SCAR's default is 1024"},
	{"functions.aws[].batch.enable_gpu", read, "gpu"},
	{"functions.aws[].batch.compute_resources", ignored, "the deployment has compute environments of its own"},
	{"functions.aws[].batch.boto_profile", ignored, ofAWS},
	{"functions.aws[].batch.region", ignored, ofAWS},
	{"functions.aws[].batch.environment", ignored, ofAWS},
	{"functions.aws[].batch.service_role", ignored, ofAWS},
	{"functions.aws[].batch.state", ignored, ofAWS},
	{"functions.aws[].batch.type", ignored, ofAWS},
	{"functions.aws[].batch.tags", ignored, ofAWS},
	{"functions.aws[].batch.multi_node_parallel.enabled", refused, "a tool runs on one machine: a job of several nodes cannot be translated"},
	{"functions.aws[].batch.multi_node_parallel.number_nodes", ignored, "without enabled, it has no effect"},
	{"functions.aws[].batch.multi_node_parallel.main_node_index", ignored, "without enabled, it has no effect"},
	{"functions.aws[].api_gateway", refused, "there is no file to map where a request is the input: remove it, and run the tool on a file"},
	{"functions.aws[].iam", ignored, ofAWS},
	{"functions.aws[].cloudwatch", ignored, ofAWS},
	{"functions.aws[].ecr", ignored, ofAWS},
	{"functions.aws[].s3", ignored, ofAWS},

	{"functions.oscar[].*.name", read, "the tool's name, in lower case"},
	{"functions.oscar[].*.image", read, "image"},
	{"functions.oscar[].*.script", read, "script"},
	{"functions.oscar[].*.memory", read, "memory, in MB: 1Gi is 1024"},
	{"functions.oscar[].*.cpu", read, "vcpus, rounded up"},
	{"functions.oscar[].*.enable_gpu", read, "gpu"},
	{"functions.oscar[].*.environment.variables.*", read, "environment"},
	{"functions.oscar[].*.environment.Variables.*", read, "environment"},
	{"functions.oscar[].*.environment.secrets.*", refused, "values of secrets do not belong in a file: remove them, and list their names in secrets of the tool"},
	{"functions.oscar[].*.input[].storage_provider", read, "with path, it finds the function whose output this is"},
	{"functions.oscar[].*.input[].path", read, "each: {tool: …} where it is the output of another function, and else each: file"},
	{"functions.oscar[].*.output[].storage_provider", ignored, "results are published below the destination of mapreel run"},
	{"functions.oscar[].*.output[].path", read, position},
	{"functions.oscar[].*.output[].prefix", read, "prefix"},
	{"functions.oscar[].*.output[].suffix", read, "suffix"},
	{"functions.oscar[].*.log_level", ignored, "the last lines of a tool are in its error"},
	{"functions.oscar[].*.cluster_id", ignored, ofOSCAR},
	{"functions.oscar[].*.total_memory", ignored, ofOSCAR},
	{"functions.oscar[].*.total_cpu", ignored, ofOSCAR},
	{"functions.oscar[].*.synchronous", ignored, ofOSCAR},
	{"functions.oscar[].*.replicas", ignored, ofOSCAR},
	{"functions.oscar[].*.rescheduler_threshold", ignored, ofOSCAR},
	{"functions.oscar[].*.image_pull_secrets", ignored, ofOSCAR},
	{"functions.oscar[].*.image_prefetch", ignored, ofOSCAR},
	{"functions.oscar[].*.annotations", ignored, ofOSCAR},
	{"functions.oscar[].*.labels", ignored, ofOSCAR},
	{"functions.oscar[].*.vo", ignored, ofOSCAR},
	{"functions.oscar[].*.allowed_users", ignored, ofOSCAR},
	{"functions.oscar[].*.alpine", ignored, ofOSCAR},
	{"functions.oscar[].*.file_stage_in", refused, "a tool always gets its input as a file: remove it"},
	{"functions.oscar[].*.token", refused, secret},
	{"functions.oscar[].*.expose", refused, service},
	{"functions.oscar[].*.kserve", refused, service},
	{"functions.oscar[].*.mount", refused, "a tool has no mounts: its input is a file, and its folder is its own"},
	{"functions.oscar[].*.volume", refused, "a tool has no volumes: its input is a file, and its folder is its own"},

	{"storage_providers.s3.*.access_key", refused, secret},
	{"storage_providers.s3.*.secret_key", refused, secret},
	{"storage_providers.s3.*.region", ignored, position},
	{"storage_providers.minio.*.access_key", refused, secret},
	{"storage_providers.minio.*.secret_key", refused, secret},
	{"storage_providers.minio.*.endpoint", ignored, position},
	{"storage_providers.minio.*.region", ignored, position},
	{"storage_providers.minio.*.verify", ignored, position},
	{"storage_providers.onedata.*.token", refused, secret},
	{"storage_providers.onedata.*.oneprovider_host", ignored, position},
	{"storage_providers.onedata.*.space", ignored, position},
	{"clusters", ignored, ofOSCAR},
}
