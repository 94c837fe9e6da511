//! What the system knows of the process: processor time, memory, file descriptors.
//!
//! The library counts whole seconds of processor time. A gateway beside one service takes a hundredth of a processor, so
//! that it would be seen at rest for two minutes and then busy for a moment. The system's clock of the process resolves
//! nanoseconds, so that one number is taken from there.

use nix::time::{ClockId, clock_gettime};
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};

const PROCESSOR: &str = "process_cpu_seconds_total";

/// The library's collector, with processor time in fractions of seconds.
pub(super) struct Process(ProcessCollector);

impl Process {
    /// Collects what this process takes.
    pub(super) fn new() -> Self {
        Self(ProcessCollector::for_self())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        // Where the clock cannot be read, whole seconds are better than none.
        if let Ok(taken) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) {
            let processor = families.iter_mut().filter(|family| family.name() == PROCESSOR);
            for metric in processor.flat_map(MetricFamily::mut_metric) {
                let mut counter = Counter::default();
                counter.set_value(std::time::Duration::from(taken).as_secs_f64());
                metric.set_counter(counter);
            }
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(process: &Process) -> f64 {
        let families = process.collect();
        let processor = families.iter().find(|family| family.name() == PROCESSOR).unwrap();
        processor.get_metric()[0].get_counter().get_value()
    }

    #[test]
    fn a_moment_of_work_is_seen() {
        let process = Process::new();
        let before = seconds(&process);
        let now = (0..).map(|_| seconds(&process)).find(|now| *now > before).unwrap();
        assert!(now - before < 0.5, "{before} s, and then {now} s");
    }
}
