import { createClient } from '@drover/sdk/client'

/** The server that served this page, with the session's cookie. */
export const client = createClient({ baseUrl: window.location.origin })
