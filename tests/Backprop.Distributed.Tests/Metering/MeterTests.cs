using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;
using Backprop.Distributed.Tests.Security;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Metering;

/// <summary>What is told to whoever listens, and what a step costs then.</summary>
public sealed class MeterTests
{
    private static readonly Generation s_generation = new(3);

    [Fact]
    public void What_a_step_is_made_of_is_told_by_run_and_slice_and_never_by_step()
    {
        var run = new RunId($"parts-{Guid.NewGuid():N}");
        using var heard = new Heard(run);
        var worker = new WorkerMeter(run, new StepTrace(run, new NodeId("w"), 0));
        using var slice = new SliceMeter(
            run, 1, TimeProvider.System, new StepTrace(run, new NodeId("s"), 0));

        worker.Computed(
            s_generation, TaskOf(5, 0, 4), ComputedFor.Others, TimeSpan.FromSeconds(2));
        worker.Ended(
            s_generation, 5, pushed: TimeSpan.FromSeconds(1), waited: TimeSpan.FromSeconds(3));
        slice.Gathered(s_generation, 5, TimeSpan.FromSeconds(4));
        slice.Applied(s_generation, 5, TimeSpan.FromSeconds(5));
        slice.Trained(128);
        slice.Saved(TimeSpan.FromSeconds(6), 1000);

        Assert.Equal(
            [
                "backprop.checkpoint.io 1000 slice=1", "backprop.checkpoint.save 6 slice=1",
                "backprop.run.samples 128 ", "backprop.step.apply 5 slice=1",
                "backprop.step.compute 2 ", "backprop.step.gather 4 slice=1",
                "backprop.step.push 1 ", "backprop.step.wait 3 ",
                "backprop.worker.microbatches 4 purpose=speculation",
            ],
            heard.Lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_node_tells_when_the_certificates_expire_that_it_shows()
    {
        using var authority = new TestAuthority();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        TlsConfiguration files = authority.Issue(
            "worker", NodeRoles.Worker, now, TimeSpan.FromHours(2));
        var certificates = NodeCertificates.Load(files, NodeRoles.Worker, TimeProvider.System);
        using var meter = new CertificateMeter(certificates);
        var told = new ConcurrentDictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "backprop.certificate.expiry.timestamp")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(
            (_, value, tags, _) => told[$"{tags[0].Value}"] = value);
        listener.Start();
        listener.RecordObservableInstruments();

        long expected = now.AddHours(2).ToUnixTimeSeconds();
        Assert.Equal(["control", "links"], told.Keys.Order());
        Assert.All(told.Values, value => Assert.InRange(value, expected - 1, expected + 1));
    }

    [Fact]
    public void A_slice_tells_how_long_it_has_been_waiting_until_it_is_over()
    {
        var run = new RunId($"waits-{Guid.NewGuid():N}");
        using var heard = new Heard(run);
        var slice = new SliceMeter(
            run, 0, TimeProvider.System, new StepTrace(run, new NodeId("s"), 0));
        Assert.Equal(0, heard.Ask("backprop.slice.waiting"));
        Assert.Equal(0, heard.Ask("backprop.slice.missing"));

        slice.Waits(new SliceWait(
            7, [new MicroBatchRange(0, 2), new MicroBatchRange(5, 6)], [],
            TimeSpan.FromSeconds(40)));
        Assert.True(heard.Ask("backprop.slice.waiting") >= 40);
        Assert.Equal(3, heard.Ask("backprop.slice.missing"));

        slice.Waits(null);
        Assert.Equal(0, heard.Ask("backprop.slice.waiting"));
        slice.Dispose();
        Assert.Null(heard.Ask("backprop.slice.waiting"));
    }

    [Fact]
    public void A_step_that_is_measured_allocates_nothing()
    {
        var run = new RunId($"allocates-{Guid.NewGuid():N}");
        using var silent = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == NodeMeter.Name && !instrument.IsObservable)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        silent.Start();
        var worker = new WorkerMeter(run, new StepTrace(run, new NodeId("w"), 0));
        using var slice = new SliceMeter(
            run, 0, TimeProvider.System, new StepTrace(run, new NodeId("s"), 0));
        Measure(1_000);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Measure(1_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Measure(int steps)
        {
            for (int step = 0; step < steps; step++)
            {
                worker.Computed(
                    s_generation, TaskOf(step, 0, 4), ComputedFor.Itself, TimeSpan.Zero);
                worker.Contributed(step);
                worker.Ended(s_generation, step, TimeSpan.Zero, TimeSpan.Zero);
                slice.Gathered(s_generation, step, TimeSpan.Zero);
                slice.Applied(s_generation, step, TimeSpan.Zero);
                slice.Made(step);
                slice.Trained(8);
                slice.Waits(null);
            }
        }
    }

    [Fact]
    public void One_step_in_so_many_is_traced_and_all_nodes_mean_the_same_trace()
    {
        var run = new RunId($"traced-{Guid.NewGuid():N}");
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == StepTrace.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) =>
                ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                if (Equals(span.GetTagItem("backprop.run"), run.Value))
                {
                    spans.Enqueue(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        var worker = new StepTrace(run, new NodeId("w"), 10);
        var server = new StepTrace(run, new NodeId("s"), 10);
        for (long step = 19; step <= 31; step++)
        {
            worker.Ended("compute", s_generation, step, TimeSpan.FromSeconds(1));
            server.Ended("gather", s_generation, step, TimeSpan.FromSeconds(2), slice: 0);
        }

        Assert.Equal(
            ["compute 20", "gather 20", "compute 30", "gather 30"],
            spans.Select(span => $"{span.OperationName} {span.GetTagItem("backprop.step")}"));
        Assert.Equal(
            2, spans.Select(span => (span.TraceId, span.ParentSpanId)).Distinct().Count());
        Assert.Equal(1, spans.First().Duration.TotalSeconds, tolerance: 0.001);
    }

    private static WorkerTask TaskOf(long step, int first, int end) =>
        new(WorkerActivity.Compute, step, new MicroBatchRange(first, end));

    /// <summary>Listens to what is told of one run: others are measured at the same time.</summary>
    private sealed class Heard : IDisposable
    {
        private readonly MeterListener _listener;
        private readonly string _run;
        private readonly ConcurrentDictionary<string, double> _last = new();

        public Heard(RunId run)
        {
            _run = run.Value;
            _listener = new MeterListener
            {
                InstrumentPublished = (instrument, listener) =>
                {
                    if (instrument.Meter.Name == NodeMeter.Name)
                    {
                        listener.EnableMeasurementEvents(instrument);
                    }
                },
            };
            _listener.SetMeasurementEventCallback<double>(
                (instrument, value, tags, _) => Take(instrument, value, tags));
            _listener.SetMeasurementEventCallback<long>(
                (instrument, value, tags, _) => Take(instrument, value, tags));
            _listener.Start();
        }

        public ConcurrentQueue<string> Lines { get; } = new();

        public double? Ask(string name)
        {
            _last.Clear();
            _listener.RecordObservableInstruments();
            return _last.TryGetValue(name, out double value) ? value : null;
        }

        public void Dispose() => _listener.Dispose();

        private void Take(
            Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var others = new List<string>();
            bool isOurs = false;
            foreach ((string name, object? tag) in tags)
            {
                isOurs |= name == "run" && Equals(tag, _run);
                if (name != "run")
                {
                    others.Add($"{name}={tag}");
                }
            }

            if (isOurs)
            {
                _last[instrument.Name] = value;
                Lines.Enqueue($"{instrument.Name} {value} {string.Join(',', others)}");
            }
        }
    }
}
