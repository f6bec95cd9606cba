export { backupLog } from './backup.ts'
export { isLogError, LogError, type LogErrorCode } from './errors.ts'
export { Log, type LogBatch, type LogOptions, type LogStatus, openLog, type StoredPosition } from './log.ts'
export { type LogEntry, LogReader, openLogReader } from './reader.ts'
