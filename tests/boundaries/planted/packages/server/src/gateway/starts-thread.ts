// breaks: threads-are-started-by-main
import '../threads/log.ts'
