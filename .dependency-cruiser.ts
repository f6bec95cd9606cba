import swcVisitor from '@swc/core/Visitor.js'
import type {
  ICruiseOptions,
  IForbiddenRuleType,
  IRegularForbiddenRuleType,
  IResolveOptions,
} from 'dependency-cruiser'

/**
 * Which way imports may point. The picture, and what each folder is for, are in ARCHITECTURE.md:
 *
 *   protocol ← model ← queue | store | registry | blobs ← features ← gateway | processing | api ← main
 *
 * `npm test` runs these rules over the packages, and over tests/boundaries/planted, where every rule is broken once and
 * all of them have to be found. Paths are matched with any prefix, so that the planted tree is like the real one.
 */

interface UsingDeclaration {
  readonly type: 'UsingDeclaration'
  decls: Parameters<typeof prototype.visitVariableDeclarators>[0]
}

// The parser knows `using` declarations, its visitor does not yet, and would stop at the first one.
const { prototype } = swcVisitor.Visitor
const { visitStatement } = prototype
prototype.visitStatement = function (
  this: typeof prototype,
  statement: Parameters<typeof visitStatement>[0],
) {
  const using = statement as unknown as UsingDeclaration
  if (using.type !== 'UsingDeclaration') return visitStatement.call(this, statement)
  using.decls = this.visitVariableDeclarators(using.decls)
  return statement
}

const at = (path: string) => `(^|/)packages/${path}`
const server = (path: string) => at(`server/src/${path}`)

/** Tests may reach further: into doubles, contracts, and what only development needs. */
const tests = '[.](test|contract|faults)[.][a-z.]*tsx?$|(^|/)testing/|(^|/)test-kit[.]ts$'

const seams = '(queue|store|registry|blobs)'
const features =
  '(access|alarms|audit|backup|devices|firmware|imports|ingest|live|profiles|quality|quarantine|session|telemetry)'
const outer = '(gateway|processing|api)'

/** Interfaces that outer rooms offer to inner ones: types only, so that no arrow turns round at run time. */
const offered = '(gateway/(identity|presence|ingest)|processing/profiles)[.]ts$'

/** Files that are one implementation of an interface. */
const drivers = `${seams}/(memory|embedded|sqlite|duckdb|disk|kafka|rabbitmq|timescale|postgres|cassandra|s3)[./-]`

/** The files directly under src put the parts together; each folder is a part. */
const root = server('(?!config)[a-z-]+[.]ts$')

const rule = (
  name: string,
  comment: string,
  from: IRegularForbiddenRuleType['from'],
  to: IRegularForbiddenRuleType['to'],
): IForbiddenRuleType => ({ name, comment, severity: 'error', from, to })

const packages = [
  rule(
    'protocol-imports-no-package',
    'protocol is what all sides speak; it knows none of them.',
    { path: at('protocol/src/') },
    { path: at('(?!protocol/)') },
  ),
  rule(
    'log-imports-only-node',
    'log can be installed on its own, in the edge agent too.',
    { path: at('log/src/'), pathNot: tests },
    { pathNot: at('log/src/'), dependencyTypesNot: ['core'] },
  ),
  rule(
    'sdk-imports-only-protocol',
    'An application that uses the SDK does not get the server with it.',
    { path: at('sdk/src/'), pathNot: tests },
    { path: at('(?!(sdk|protocol)/)') },
  ),
  rule(
    'console-imports-only-the-client',
    'The console is one more client of the API.',
    { path: at('console/'), pathNot: tests },
    { path: at('(?!(console|protocol)/|sdk/src/client/)') },
  ),
  rule(
    'cli-imports-only-client-and-server-entry',
    'The command line is a client, and starts the server by its public entry.',
    { path: at('cli/'), pathNot: tests },
    { path: at('(?!(cli|sdk|protocol)/|server/src/index[.]ts$)') },
  ),
  rule(
    'server-imports-only-protocol-and-log',
    'The server does not know its clients.',
    { path: at('server/src/'), pathNot: tests },
    { path: at('(?!(server|protocol|log)/)') },
  ),
  rule(
    'package-by-its-entry',
    'What a package does not export is its own.',
    { path: at('([^/]+)/') },
    { path: at('(?!$2/)'), pathNot: at('([^/]+/src/index[.]ts|sdk/src/(client|device)/index[.]ts)$') },
  ),
  rule(
    'browser-safe',
    'These run in browsers, where there is no Node.',
    { path: at('(protocol/src|sdk/src/client|console/src)/'), pathNot: tests },
    { dependencyTypes: ['core'] },
  ),
]

const rooms = [
  rule(
    'model-imports-nothing-outside',
    'Types and pure decisions.',
    { path: server('model/'), pathNot: tests },
    { path: server('(?!model/)') },
  ),
  rule(
    'runtime-imports-no-room',
    'Clock, ids, logger and lifecycle serve all rooms and know none.',
    { path: server('runtime/') },
    { path: server('(?!runtime/)') },
  ),
  rule(
    'seam-imports-no-feature',
    'Interfaces of engines and their drivers come before what uses them.',
    { path: server(`${seams}/`), pathNot: tests },
    {
      path: server(`(${features}|${outer}|threads|config|main|index)\\b`),
      pathNot: `${offered}|threads/(rpc|[a-z]+-host)[.]ts$`,
    },
  ),
  rule(
    'seam-imports-no-other-driver',
    'Drivers of one seam do not know those of another.',
    { path: server(`${seams}/`), pathNot: tests },
    { path: server(drivers), pathNot: server('$2/') },
  ),
  rule(
    'feature-imports-no-outer-room',
    'A use case does not know by which protocol it was asked.',
    { path: server(`${features}/`), pathNot: tests },
    { path: server(`(${outer}|threads|config|main|index)\\b`), pathNot: offered },
  ),
  rule(
    'outer-rooms-do-not-know-each-other',
    'gateway, processing and api meet in the queue, the store and the features.',
    { path: server(`${outer}/`), pathNot: tests },
    { path: server(`(?!$2)${outer}/`), pathNot: offered },
  ),
  rule(
    'offered-as-types-only',
    'An interface of an outer room is used as a type by inner ones.',
    { path: server(`(${seams}|${features}|processing|api)/`), pathNot: tests },
    { path: `gateway/(identity|presence|ingest)[.]ts$`, dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'only-main-knows-the-parts',
    'Nothing imports the composition root but the entry of the package.',
    { path: server(''), pathNot: `${server('(index|main)[.]ts$')}|${tests}` },
    { path: server('(main|index)[.]ts$') },
  ),
  rule(
    'settings-arrive-as-arguments',
    'Only the composition root reads the configuration; parts are given what they need.',
    { path: server('(?!config|threads)'), pathNot: `${root}|${tests}` },
    { path: server('config([.]ts$|/)') },
  ),
  rule(
    'only-main-and-threads-name-drivers',
    'Which engine runs is decided in one place.',
    { path: server(''), pathNot: `${root}|${server(`(threads|${seams})/`)}|${tests}` },
    { path: server(drivers) },
  ),
  rule(
    'threads-are-started-by-main',
    'A thread is the business of the composition root and of the host that speaks for it.',
    {
      path: server(''),
      pathNot: `${root}|${server('(threads/|queue/embedded)')}|${tests}`,
    },
    { path: server('threads/'), pathNot: 'threads/rpc[.]ts$' },
  ),
]

/** A vendor's library is known to one room, so that another can take its place. */
const vendor = (name: string, library: string, home: string) =>
  rule(
    `${name}-stays-home`,
    `Only ${home} of the server knows this library.`,
    { path: at('server/src/'), pathNot: `${server(home)}|${tests}` },
    { path: library },
  )

const vendors = [
  vendor('duckdb', 'node_modules/@duckdb/', 'store/'),
  vendor('sqlite', '^(node:)?sqlite$', '(registry/|store/|runtime/data-directory[.]ts|backup/)'),
  vendor('kysely', 'node_modules/kysely/', 'registry/'),
  vendor('fastify', 'node_modules/(@fastify|fastify|@scalar)', '(api/|[a-z-]+[.]ts$)'),
  vendor('mqtt-packet', 'node_modules/mqtt-packet/', 'gateway/mqtt/'),
  vendor('pino', 'node_modules/pino', 'runtime/logger[.]ts'),
  vendor('x509', 'node_modules/@peculiar/', 'access/tls/issue[.]ts'),
]

const everywhere = [
  rule(
    'no-circles',
    'What imports each other is one thing.',
    {},
    { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  ),
  rule(
    'no-unresolvable',
    'An import that leads nowhere hides what it breaks.',
    {},
    { couldNotResolve: true },
  ),
  rule(
    'no-undeclared-package',
    'What is imported is in the dependencies of the package.json beside it.',
    { path: at('[^/]+/src/'), pathNot: tests },
    { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
  ),
  rule(
    'no-tests-in-the-product',
    'The product runs without its tests.',
    { path: at('[^/]+/src/'), pathNot: tests },
    {
      path: `(${tests})|(^|/)(tests|bench|scripts)/`,
      pathNot: 'node_modules|planted/packages/[^/]+/src/(?!.*[.]test[.]ts$)',
    },
  ),
]

export const forbidden: readonly IForbiddenRuleType[] = [...packages, ...rooms, ...vendors, ...everywhere]

export const options: ICruiseOptions = {
  parser: 'swc',
  doNotFollow: { path: 'node_modules' },
  // What Vite built from the console.
  exclude: { path: '^packages/console/dist/' },
  combinedDependencies: false,
}

export const resolution: Partial<IResolveOptions> = {
  exportsFields: ['exports'],
  conditionNames: ['import', 'node', 'default', 'types'],
  extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'],
}
