// toYAML writes a tree of objects, lists and plain values as YAML.
export function toYAML(tree) { return block(tree, '') + '\n'; }

function block(value, indent) {
  return Object.entries(value).map(([key, v]) => indent + entry(scalar(key), v, indent)).join('\n');
}

// entry writes a key and its value. indent is that of the key.
function entry(key, v, indent) {
  if (isEmpty(v)) return key + ': ' + (Array.isArray(v) ? '[]' : '{}');
  if (Array.isArray(v)) return key + ':\n' + v.map((item) => indent + '  - ' + listItem(item, indent + '    ')).join('\n');
  if (isObject(v)) return key + ':\n' + block(v, indent + '  ');
  return key + ': ' + scalar(v);
}

function listItem(item, indent) {
  if (isEmpty(item)) return Array.isArray(item) ? '[]' : '{}';
  if (Array.isArray(item)) return JSON.stringify(item); // a list in a list: no request has one
  return isObject(item) ? block(item, indent).trimStart() : scalar(item);
}

const isObject = (v) => v !== null && typeof v === 'object';
const isEmpty = (v) => isObject(v) && Object.keys(v).length === 0;

// scalar writes a plain value. A text is quoted unless nobody could read it as anything else.
function scalar(v) {
  if (typeof v !== 'string') return JSON.stringify(v);
  const plain = /^[A-Za-z/][A-Za-z0-9_/.-]*$/.test(v) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(v);
  return plain ? v : JSON.stringify(v).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}
