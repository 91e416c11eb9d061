using Akka.Configuration;
using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Tests.Persistence;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A whole cluster in one process, asked as users ask it.</summary>
public sealed class EmbeddedClusterTests
{
    // Akka's supervisor of restarts sends itself what no serializer of ours takes.
    private static readonly Config s_inMemory =
        ConfigurationFactory.ParseString("akka.actor.serialize-messages = off")
            .WithFallback(ActorConfiguration.Config);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static TheoryData<int, int> Sizes
    {
        get
        {
            var sizes = new TheoryData<int, int>();
            foreach (int workers in (int[])[1, 2, 3, 5, 8])
            {
                foreach (int servers in (int[])[1, 2, 3])
                {
                    sizes.Add(workers, servers);
                }
            }

            return sizes;
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task A_submitted_run_ends_in_the_bits_of_the_single_process(
        int workers, int servers)
    {
        await using EmbeddedCluster cluster = Start(workers, servers);

        RunView view = await RunToEndAsync(cluster, TestRun.Specification);

        TrainingResult result = Assert.IsType<TrainingResult>(view.Result);
        AssertSameBits(TestRun.Oracle, result);
        Assert.Equal(TestRun.Oracle.Test!.Loss, result.Test!.Loss);
        Assert.Equal(TestRun.Oracle.Stop, result.Stop);
        Assert.NotNull(view.Model);
        Assert.Equal(servers, view.Participants.Count(node => node.Served));
        Assert.InRange(view.Participants.Count(node => node.Computed), 1, workers);
        Assert.Equal(TestRun.Digests, await DigestsOfAsync(cluster, view.Summary.Id));
    }

    /// <summary>Whatever a run can have beside: groups with rates and decays of their own, averaged
    /// weights, mixed samples, smoothed targets, branches, recomputed blocks; the best epoch's
    /// result is what is kept.</summary>
    [Theory]
    [InlineData("averaging { exponential { decay = 0.9 } }")]
    [InlineData("averaging { stochastic { from-epoch = 2 } }, stop { patience = 9 }")]
    [InlineData(
        "averaging { exponential { decay = 0.9, evaluate = average } }, stop { patience = 9 }")]
    public async Task A_run_with_many_options_ends_in_the_bits_of_the_single_process(
        string averaging)
    {
        string specification = TestRun.Specification
            .Replace("normalize = standard", "normalize = standard, mixup = 0.4")
            .Replace(
                "{ dropout { rate = 0.2 } }",
                "{ branches { branches = [ [ { dense { units = 40 } } ], [] ] } }")
            .Replace(
                "{ dense { units = 300, activation = tanh } }",
                "{ block { repeat = 2, recompute = true, layers = "
                + "[ { dense { units = 200, activation = tanh } }, { dropout = 0.2 } ] } }")
            .Replace(
                "loss = softmax-cross-entropy",
                "loss { softmax-cross-entropy { label-smoothing = 0.1, class-weights = [1, 2] } }")
            .Replace(
                "adam { learning-rate = 0.01 }",
                "adamw { learning-rate = 0.01, groups = [ { layers = [output, \"branches*\"], "
                + "learning-rate-factor = 0.5, weight-decay = 0.1 } ] }")
            + "\n" + averaging;
        TrainingResult expected = TestRun.Train(specification);
        await using EmbeddedCluster cluster = Start(3, 2);

        RunView view = await RunToEndAsync(cluster, specification);

        AssertSameBits(expected, view.Result!);
        Assert.Equal(expected.Validation!.Loss, view.Result!.Validation!.Loss);
        Assert.Equal(expected.Test!.Loss, view.Result.Test!.Loss);
        Assert.Equal(
            expected.History.Select(epoch => epoch.Validation!.Loss),
            view.History.Select(epoch => epoch.Validation!.Loss));
        Assert.Equal<string>([.. expected.Notes], [.. view.Result.Notes]);
    }

    /// <summary>Sequences with all that may be said of them: a table that two layers share, a
    /// frozen layer, padding that nobody judges.</summary>
    [Fact]
    public async Task A_run_on_text_ends_in_the_bits_of_the_single_process()
    {
        string text = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(
                text, string.Concat(Enumerable.Range(0, 150).Select(i => $"{i * i} is {i}^2;  ")));
            string specification = $$"""
                name = text
                seed = 5
                data {
                  train { text { path = "{{text}}", tokens = bytes, length = 12, to = 0.8 } }
                  validation { text { path = "{{text}}", tokens = bytes, length = 12, from = 0.8 } }
                }
                model = [
                  { embedding { vocabulary = 256, width = 16, name = table } }
                  { positional-encoding { positions = learned, trainable = false } }
                  { block { recompute = true, layers = [
                    { residual = [ { layer-normalization {} }, { attention { heads = 2 } } ] }
                  ] } }
                  { dense { units = 16, activation = tanh } }
                  { dense { units = 256, tie = table } }
                ]
                loss { softmax-cross-entropy { padding-token = 32 } }
                optimizer { adam { learning-rate = 0.01 } }
                batch-size = 16, micro-batches = 8, epochs = 2
                """;
            TrainingResult expected = TestRun.Train(specification);
            await using EmbeddedCluster cluster = Start(3, 2);

            RunView view = await RunToEndAsync(cluster, specification);

            AssertSameBits(expected, view.Result!);
            Assert.Equal(expected.Validation!.Loss, view.Result!.Validation!.Loss);
            Assert.Equal(
                expected.Validation.Classification!.Accuracy,
                view.Result.Validation.Classification!.Accuracy);
        }
        finally
        {
            File.Delete(text);
        }
    }

    /// <summary>Two inputs, two targets and three outputs, whose plateau and end are those of one
    /// of them.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    public async Task A_run_of_several_outputs_ends_in_the_bits_of_the_single_process(
        int workers, int servers)
    {
        string table = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(table, Enumerable.Range(0, 120).Select(i =>
                $"{i % 7},{i * 5 % 11},{"rgb"[i % 3]},{"xy"[i * i % 5 / 3]},{i % 7 * (i % 3)}")
                .Prepend("a,b,color,kind,size"));
            string specification = $$"""
                name = houses
                seed = 4
                data {
                  train { csv {
                    files = "{{table}}", columns { color = categorical }
                    target { several { kind { class = kind }, size { values = size } } }
                  } }
                  validation { fraction = 0.3 }
                  normalize = unit, normalize-targets = standard
                }
                inputs { numbers { columns = [b, a] }, look { columns = color } }
                model = [
                  { branches { branches = [
                    [ { input = look }, { dense = 200 } ]
                    [ { input = numbers }, { dense { units = 100, activation = tanh } } ]
                  ] } }
                  batch-normalization
                  { output { name = early, layers = [ { dense = 1 } ] } }
                  { dense { units = 300, activation = relu } }
                  { dropout = 0.2 }
                  { output { name = kind, layers = [ { dense = 2 } ] } }
                  { output { name = size, layers = [ { dense = 1 } ] } }
                ]
                loss { outputs {
                  kind { loss { softmax-cross-entropy { class-weights = balanced } } }
                  size { loss = huber, weight = 2 }
                  early { loss = mean-squared-error, weight = 0.3, target = size }
                } }
                optimizer { adam { learning-rate = 0.01 } }
                schedule { plateau { patience = 1 } }
                stop { metric = size.r2, patience = 20 }
                batch-size = 32, micro-batches = 5, epochs = 6
                """;
            TrainingResult expected = TestRun.Train(specification);
            await using EmbeddedCluster cluster = Start(workers, servers);

            RunView view = await RunToEndAsync(cluster, specification);

            AssertSameBits(expected, view.Result!);
            Assert.Equal(expected.BestMetric, view.Result!.BestMetric);
            foreach (string output in (string[])["kind", "size", "early"])
            {
                Assert.Equal(
                    expected.History.Select(epoch => epoch.Validation!.Of(output)!.Loss),
                    view.History.Select(epoch => epoch.Validation!.Of(output)!.Loss));
            }

            Assert.Equal(
                expected.Validation!.Of("kind")!.Classification!.Confusion.Counts.AsEnumerable(),
                view.Result.Validation!.Of("kind")!.Classification!.Confusion.Counts);
        }
        finally
        {
            File.Delete(table);
        }
    }

    [Fact]
    public async Task Verification_changes_no_bit_and_finds_nothing_where_nothing_is_wrong()
    {
        await using EmbeddedCluster cluster = Start(3, 2);

        RunView view = await RunToEndAsync(cluster, TestRun.Specification + "\nverify = 50%");

        Assert.Equal(TestRun.Oracle.StateSha256, view.Result!.StateSha256);
        Assert.Equal(1, view.Generation);
    }

    /// <summary>The first record is wrong, as if a bit had been flipped when it was made: the run
    /// goes back, and two computations that agree outvote it.</summary>
    [Fact]
    public async Task A_step_that_makes_other_weights_than_are_on_record_is_computed_once_more()
    {
        await using EmbeddedCluster cluster = Start(2, 2);
        RunId first = await SubmitAsync(cluster, TestRun.Specification);
        await AwaitAsync(cluster, first, IsOver);
        var second = new RunId(first.Value.Replace("-1", "-2"));
        var record = new DigestRecord(0);
        record.Enter(0, TestRun.Digests[0]);
        record.Enter(2, new VersionDigest(13));
        await cluster.Digests.SaveAsync(second, 0, record.TakeToSave(0), default);

        RunView view = await RunToEndAsync(cluster, TestRun.Specification);

        Assert.Equal(second, view.Summary.Id);
        Assert.Contains(
            view.Happenings,
            one => one.Text.StartsWith("step 1 has not made the weights that are on record"));
        Assert.Equal(TestRun.Oracle.StateSha256, view.Result!.StateSha256);
        Assert.Equal(TestRun.Digests, await DigestsOfAsync(cluster, second));
    }

    /// <summary>Waits until the last of them is durable.</summary>
    private static async Task<IReadOnlyList<VersionDigest>> DigestsOfAsync(
        EmbeddedCluster cluster, RunId run)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            var digests = new List<VersionDigest>();
            await foreach (ReadOnlyMemory<byte> chunk in cluster.Digests.ReadAsync(run, 0, default))
            {
                for (int i = 0; i < chunk.Length; i += VersionDigest.Bytes)
                {
                    digests.Add(DigestFormat.Read(chunk.Span[i..]));
                }
            }

            if (digests.Count > TestRun.Oracle.Steps && digests.All(digest => digest.IsThere))
            {
                return digests;
            }

            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Stopped in the middle, as if the process had died: what was committed is there.
    /// </summary>
    [Fact]
    public async Task A_run_goes_on_from_what_is_on_the_disk()
    {
        using var folder = new StateFolder();
        await StateDatabase.PrepareAsync(folder.Options, StateFolder.Patience, default);
        Config persistence = PersistenceConfiguration.ToAkka(folder.Options);
        RunId id;
        await using (EmbeddedCluster before = Start(2, 2, persistence))
        {
            id = await SubmitAsync(before, TestRun.Specification);
            await AwaitAsync(before, id, view => !view.Checkpoints.IsEmpty);
        }

        await using EmbeddedCluster after = Start(3, 1, persistence);
        RunView view = await AwaitAsync(after, id, IsOver);

        Assert.Equal(TestRun.Oracle.WeightsSha256, view.Result!.WeightsSha256);
        Assert.Equal(TestRun.Oracle.Losses.AsEnumerable(), view.Result.Losses);
        var bytes = new List<byte>();
        await foreach (ReadOnlyMemory<byte> piece in after.Files.ReadAsync(view.Model!, default))
        {
            bytes.AddRange(piece.Span);
        }

        using var stream = new MemoryStream([.. bytes]);
        using TrainedModel model = TrainedModel.ReadFrom(stream);
        Assert.Equal([TestRun.Oracle.WeightsSha256], model.Header.WeightsSha256.ToArray());
    }

    [Fact]
    public async Task Wrong_specifications_are_refused_at_once_with_their_place()
    {
        await using EmbeddedCluster cluster = Start(1, 1);

        CoordinatorAnswer answer = await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), "name = x\nsed = 1", "bad.conf", 0),
            default);

        var refused = Assert.IsType<CoordinatorAnswer.Refused>(answer);
        Assert.Equal(RefusalKind.Invalid, refused.Kind);
        Assert.Contains("bad.conf:2", refused.Reason);
    }

    [Fact]
    public async Task A_run_without_its_data_fails_with_the_reason_of_each_worker_asked()
    {
        await using EmbeddedCluster cluster = Start(2, 1);
        string specification = TestRun.Specification.Replace(
            "train { generated { moons { samples = 90, noise = 0.2, seed = 1 } } }",
            "train { idx { images = nowhere/images.gz, labels = nowhere/labels.gz } }");

        RunView view = await RunToEndAsync(cluster, specification);

        Assert.Equal(RunStanding.Failed, view.Summary.Standing);
        Assert.Contains("worker-2", view.Summary.Reason);
        Assert.Contains("nowhere/images.gz", view.Summary.Reason);
    }

    [Fact]
    public async Task A_paused_run_lets_another_one_train_and_goes_on_afterwards()
    {
        await using EmbeddedCluster cluster = Start(2, 1);
        RunId first = await SubmitAsync(cluster, TestRun.Specification);
        await AwaitAsync(cluster, first, view => view.Summary.Standing == RunStanding.Training);
        Assert.IsType<CoordinatorAnswer.Done>(await ControlAsync(cluster, first, RunControl.Pause));
        await AwaitAsync(cluster, first, view => view.Summary.Standing == RunStanding.Paused);

        RunView second = await RunToEndAsync(cluster, TestRun.Specification);
        Assert.IsType<CoordinatorAnswer.Done>(
            await ControlAsync(cluster, first, RunControl.Resume));
        RunView resumed = await AwaitAsync(cluster, first, IsOver);

        Assert.Equal(TestRun.Oracle.WeightsSha256, second.Result!.WeightsSha256);
        Assert.Equal(TestRun.Oracle.WeightsSha256, resumed.Result!.WeightsSha256);
    }

    [Fact]
    public async Task A_stopped_run_is_over_and_cannot_be_resumed()
    {
        await using EmbeddedCluster cluster = Start(1, 1);
        RunId run = await SubmitAsync(cluster, TestRun.Specification);

        await ControlAsync(cluster, run, RunControl.Stop);
        RunView view = await AwaitAsync(cluster, run, IsOver);

        Assert.Equal(RunStanding.Stopped, view.Summary.Standing);
        Assert.Equal(
            RefusalKind.Conflict,
            Assert.IsType<CoordinatorAnswer.Refused>(
                await ControlAsync(cluster, run, RunControl.Resume)).Kind);
    }

    private static void AssertSameBits(TrainingResult expected, TrainingResult result)
    {
        Assert.Equal(expected.WeightsSha256, result.WeightsSha256);
        Assert.Equal(expected.StateSha256, result.StateSha256);
        Assert.Equal(expected.Losses.AsEnumerable(), result.Losses);
    }

    private static bool IsOver(RunView view) => view.Summary.Standing
        is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped;

    private static EmbeddedCluster Start(
        int workers, int servers, Config? persistence = null) => new(new EmbeddedOptions
    {
        Workers = workers,
        ParameterServers = servers,
        Threads = 1,
        Persistence = persistence ?? s_inMemory,
        Data = new DataSourceOpener(),
        MemoryLimitBytes = long.MaxValue,
        OnHung = reason => throw new TimeoutException(reason),
    });

    private static async Task<RunView> RunToEndAsync(
        EmbeddedCluster cluster, string specification) =>
        await AwaitAsync(cluster, await SubmitAsync(cluster, specification), IsOver);

    private static async Task<RunId> SubmitAsync(EmbeddedCluster cluster, string specification)
    {
        CoordinatorAnswer submitted = await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), specification, "test.conf", 0), default);
        return Assert.IsType<CoordinatorAnswer.Submitted>(submitted).Id;
    }

    private static Task<CoordinatorAnswer> ControlAsync(
        EmbeddedCluster cluster, RunId run, RunControl control) =>
        cluster.Client.AskAsync(new CoordinatorRequest.ControlRun(run, control), default);

    private static async Task<RunView> AwaitAsync(
        EmbeddedCluster cluster, RunId run, Func<RunView, bool> isSeen)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            CoordinatorAnswer answer = await cluster.Client.AskAsync(
                new CoordinatorRequest.ShowRun(run), limit.Token);
            RunView view = Assert.IsType<CoordinatorAnswer.Run>(answer).View;
            if (isSeen(view))
            {
                return view;
            }

            Assert.False(
                limit.IsCancellationRequested, $"{view.Summary.Standing}: {view.Summary.Reason}");
            await Task.Delay(5);
        }
    }
}
