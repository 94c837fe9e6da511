//! Families of series whose labels are closed sets: all handles are made at the start and found by two indices.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use super::{Catalogue, full};
use crate::telemetry::label::Label;

/// Handles of one family with one label.
#[derive(Debug)]
pub struct Family<M, A> {
    handles: Box<[M]>,
    label: PhantomData<fn(A)>,
}

/// Handles of one family with two labels.
#[derive(Debug)]
pub struct Family2<M, A, B> {
    handles: Box<[M]>,
    labels: PhantomData<fn(A, B)>,
}

/// Counters with one label.
pub type Counters<A> = Family<IntCounter, A>;
/// Gauges with one label.
pub type Gauges<A> = Family<IntGauge, A>;
/// Gauges with one label that are no whole numbers.
pub type Floats<A> = Family<Gauge, A>;
/// Histograms of seconds with one label.
pub type Histograms<A> = Family<Histogram, A>;
/// Counters with two labels.
pub type Counters2<A, B> = Family2<IntCounter, A, B>;
/// Histograms of seconds with two labels.
pub type Histograms2<A, B> = Family2<Histogram, A, B>;

impl<M, A: Label> Family<M, A> {
    pub(super) fn new(make: impl Fn(&[&str]) -> M) -> Self {
        Self { handles: A::ALL.iter().map(|label| make(&[label.word()])).collect(), label: PhantomData }
    }

    /// Returns the handle of one series.
    pub fn of(&self, label: A) -> &M {
        &self.handles[label.index()]
    }
}

impl<M, A: Label, B: Label> Family2<M, A, B> {
    fn new(make: impl Fn(&[&str]) -> M) -> Self {
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(move |b| [a.word(), b.word()]));
        Self { handles: pairs.map(|pair| make(&pair)).collect(), labels: PhantomData }
    }

    /// Returns the handle of one series.
    pub fn of(&self, a: A, b: B) -> &M {
        &self.handles[a.index() * B::ALL.len() + b.index()]
    }
}

impl Histograms<crate::throttle::Class> {
    /// Notes a duration.
    pub fn observe(&self, label: crate::throttle::Class, duration: Duration) {
        self.of(label).observe(duration.as_secs_f64());
    }
}

impl Catalogue {
    pub(super) fn counters<A: Label>(&self, name: &str, help: &str, label: &str) -> Counters<A> {
        let all = self.register(counter_vec(name, help, &[label]));
        Family::new(|values| all.with_label_values(values))
    }

    pub(super) fn counters2<A: Label, B: Label>(&self, name: &str, help: &str, labels: [&str; 2]) -> Counters2<A, B> {
        let all = self.register(counter_vec(name, help, &labels));
        Family2::new(|values| all.with_label_values(values))
    }

    pub(super) fn gauges<A: Label>(&self, name: &str, help: &str, label: &str) -> Gauges<A> {
        let all = self.gauge_vec(name, help, &[label]);
        Family::new(|values| all.with_label_values(values))
    }

    pub(super) fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(full(name), help), labels).expect("the name is well-formed"))
    }

    pub(super) fn floats<A: Label>(&self, name: &str, help: &str, label: &str) -> Floats<A> {
        let all = self.float_vec(name, help, &[label]);
        Family::new(|values| all.with_label_values(values))
    }

    pub(super) fn float_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(full(name), help), labels).expect("the name is well-formed"))
    }

    pub(super) fn histograms<A: Label>(&self, name: &str, help: &str, label: &str, buckets: &[f64]) -> Histograms<A> {
        let all = self.register(histogram_vec(name, help, &[label], buckets));
        Family::new(|values| all.with_label_values(values))
    }

    pub(super) fn histograms2<A: Label, B: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 2],
        buckets: &[f64],
    ) -> Histograms2<A, B> {
        let all = self.register(histogram_vec(name, help, &labels, buckets));
        Family2::new(|values| all.with_label_values(values))
    }
}

fn counter_vec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(full(name), help), labels).expect("the name is well-formed")
}

fn histogram_vec(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(full(name), help).buckets(buckets.to_vec());
    HistogramVec::new(opts, labels).expect("the name is well-formed")
}
