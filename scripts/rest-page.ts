import { createApiFixture } from '../packages/server/src/api/testing/api-fixture.ts'
import { table } from './markdown.ts'

/** What this page needs of OpenAPI 3.1. */
interface Operation {
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, unknown>>
}
interface Description {
  readonly info: { readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** The overview of the REST API, out of the OpenAPI description that the server itself gives. */
export async function restPage(): Promise<string> {
  const fixture = await createApiFixture()
  const answer = await fixture.app.inject('/openapi.json')
  await fixture.close()
  const { info, paths } = answer.json<Description>()
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const sections = Map.groupBy(operations, ({ operation }) => operation.tags?.[0] ?? 'other')
  return `# REST API

${info.description} The server describes it in full, with schemas to try out, at \`/docs\`, and for programs at \`/openapi.json\`
(OpenAPI 3.1). Errors are those of [errors.md](errors.md).

People and programs send \`Authorization: Bearer <administrator key>\`, devices their token; the console signs in to a session.

${[...sections].map(([tag, some]) => section(tag, some)).join('\n\n')}`
}

function section(
  tag: string,
  operations: readonly { path: string; method: string; operation: Operation }[],
): string {
  const rows = operations.map(({ path, method, operation }) => [
    `\`${method.toUpperCase()} ${path}\``,
    access(operation),
    parameters(operation),
    [operation.summary, operation.description].filter(Boolean).join('. '),
  ])
  return `## ${tag[0]!.toUpperCase()}${tag.slice(1)}\n\n${table(['request', 'with', 'parameters', 'what it does'], rows)}`
}

function access({ security }: Operation): string {
  if (security === undefined) return 'administrator key'
  return security.some((one) => 'deviceToken' in one) ? 'device token' : 'nothing'
}

function parameters({ parameters = [] }: Operation): string {
  return parameters
    .filter((one) => one.in !== 'path')
    .map(({ name, required }) => `\`${name}\`${required ? ' (required)' : ''}`)
    .join(', ')
}
