import { DroverError } from '@drover/protocol'

/** Where the blobs are. */
export interface S3Place {
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  /** Undefined: Amazon's. */
  readonly endpoint: string | undefined
  /** Undefined: as the environment says. */
  readonly region: string | undefined
  /** Whether the bucket is in the path, not in the name of the host. */
  readonly pathStyle: boolean
}

const parameters = ['endpoint', 'region', 'pathStyle']
/** What those who are not Amazon are content with. */
const regionElsewhere = 'us-east-1'

/** Reads `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`. Throws `badConfiguration`. */
export function s3Place(address: string): S3Place {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 's3:' || url.hostname === '') throw notAPlace('s3://bucket/prefix is expected')
  if (url.username || url.password || url.port)
    throw notAPlace('it holds only a bucket and a prefix; key and secret come from the environment')
  const unknown = [...url.searchParams.keys()].find((name) => !parameters.includes(name))
  if (unknown !== undefined) throw notAPlace(`${unknown} is none of ${parameters.join(', ')}`)
  const endpoint = url.searchParams.get('endpoint') ?? undefined
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    throw notAPlace('its endpoint is not an http or https address')
  const pathStyle = url.searchParams.get('pathStyle') ?? 'false'
  if (pathStyle !== 'true' && pathStyle !== 'false')
    throw notAPlace('its pathStyle is neither true nor false')
  const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '')
  return {
    bucket: url.hostname,
    prefix: path === '' ? '' : `${path}/`,
    endpoint,
    region: url.searchParams.get('region') ?? (endpoint === undefined ? undefined : regionElsewhere),
    pathStyle: pathStyle === 'true',
  }
}

function notAPlace(why: string): DroverError {
  return new DroverError('badConfiguration', { reason: `the address of the blobs: ${why}` })
}
