/**
 * Every limit of Drover that is not a setting, with its unit in its name or its comment.
 * `docs/reference/limits.md` is generated from here.
 */
export const limits = {
  /** Bytes of one telemetry message (MQTT payload or HTTP body). */
  messageBytesMax: 262_144,
  /** Bytes of one whole MQTT packet, the rest of its properties included. */
  mqttPacketBytesMax: 327_680,
  /** Levels of nesting in a JSON or CBOR payload. */
  payloadDepthMax: 32,
  /** Values (device, metric, time) in one message. */
  valuesPerMessageMax: 10_000,
  /** Different metrics of one device. */
  metricsPerDeviceMax: 1_000,
  /** Bytes of a metric's name in UTF-8. */
  metricNameBytesMax: 128,
  /** Bytes of a string or JSON value in UTF-8. */
  stringValueBytesMax: 8_192,
  /** Characters of an identifier (device, profile, tag). */
  identifierLengthMax: 128,
  /** Tags of one device. */
  tagsPerDeviceMax: 64,
  /** Tokens of one device. */
  tokensPerDeviceMax: 16,
  /** MQTT sessions of one device at a time. */
  connectionsPerDevice: 8,
  /** MQTT publishes that wait for their acknowledgement, a connection (the receive maximum that CONNACK states). */
  inFlightPerConnectionMax: 1_024,
  /** Bytes of an MQTT client id. */
  clientIdBytesMax: 256,
  /** Seconds after which a session without a connection is forgotten, whatever longer time its client asked for. */
  sessionExpirySecondsMax: 604_800,
  /** Seconds of keep alive that an MQTT 5.0 client may have; one that asks for more, or for none, is told this. */
  keepAliveSecondsMax: 3_600,
  /** Topic aliases of one MQTT 5.0 connection. */
  topicAliasMax: 16,
  /** Connections of one gateway thread. */
  connectionsPerGatewayMax: 100_000,
  /** Bytes that a gateway takes from one connection before it turns to the others. */
  readBytesPerTurnMax: 131_072,
  /** Seconds that a connection may take from its first byte to CONNECT. */
  connectTimeoutSeconds: 10,
  /** Bytes of unsent answers a connection may hold before it is closed. */
  outgoingBytesPerConnectionMax: 1_048_576,
  /** Bytes of batches that one gateway may have handed to the queue without an answer; past it, sockets are paused. */
  gatewayPendingBytesMax: 67_108_864,
  /** Bytes of one batch between gateway and queue. */
  batchBytesMax: 4_194_304,
  /** Bytes that the log hands to storage by memory; past it, storage reads the log. */
  handoffBytesMax: 134_217_728,
  /** Entries of quarantine kept a device; what is over is counted, not kept. */
  quarantinePerDeviceMax: 1_000,
  /** Entries of quarantine kept of one message. */
  quarantinePerMessageMax: 100,
  /** Bytes of a raw payload kept in quarantine; a longer one is cut, and marked so. */
  quarantinePayloadBytesMax: 16_384,
  /** Devices whose state processing keeps in memory. */
  devicesCachedMax: 100_000,
  /** Days that quarantine keeps an entry. */
  quarantineDays: 30,
  /** Idempotency keys remembered a device, and for how long. */
  idempotencyKeysPerDeviceMax: 10_000,
  idempotencyKeyHours: 24,
  idempotencyKeyBytesMax: 128,
  /** Items in one page of a list. */
  pageItemsMax: 1_000,
  pageItemsDefault: 100,
  /** Points in one page of raw telemetry. */
  pagePointsMax: 100_000,
  pagePointsDefault: 10_000,
  /** Buckets, or downsampled points, in one answer for one series. */
  bucketsMax: 20_000,
  /** Devices in one query. */
  devicesPerQueryMax: 10_000,
  /** Devices in the selections that are kept in memory, so that who asks for the same devices again is answered at once. */
  devicesInKeptSelectionsMax: 100_000,
  /** Milliseconds that one query of the store may take. */
  queryTimeoutMs: 30_000,
  /** Queries that may wait for the store. */
  queriesWaitingMax: 1_000,
  /** Bytes of a REST request's body other than telemetry and imports. */
  requestBytesMax: 1_048_576,
  /** Bytes and rows of one import. */
  importBytesMax: 33_554_432,
  importRowsMax: 100_000,
  /** Listeners of the live feed, and events kept to resume it. */
  liveListenersMax: 1_000,
  liveEventsKept: 10_000,
  /** Bytes that wait for one listener of the live feed; past it, it gets a `gap` instead of events. */
  liveBufferedBytesMax: 1_048_576,
  /** Seconds between two signs of life on the live feed. */
  liveHeartbeatSeconds: 15,
  /** Seconds for which the feed goes on to keep the events of a listener that left. */
  liveResumeSeconds: 60,
  /** Points and buckets in one answer of a query over several series. */
  pointsPerQueryMax: 250_000,
  /** Metrics in one query. */
  metricsPerQueryMax: 100,
  /** Failed sign-ins a minute from one address. */
  failedSignInsPerMinuteMax: 20,
  /** Addresses whose failed sign-ins are counted at a time. */
  signInAddressesMax: 10_000,
  /** Hours that a console session lasts, and sessions at a time; one more ends the oldest. */
  consoleSessionHours: 12,
  consoleSessionsMax: 1_000,
  /** Device tokens whose check is remembered. */
  authenticationsCachedMax: 100_000,
  /** Rows of the audit log; the oldest go first. */
  auditRowsMax: 1_000_000,
  /** Refusals written to the audit log a minute; what is over is counted in one row. */
  auditedRefusalsPerMinuteMax: 100,
} as const
