using Acme.Layers;
using Backprop.Engine.Plugins;
using Backprop.Training.Specification;
using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Generated;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;
using Backprop.Distributed.Nodes;
using Backprop.Engine;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>What fails on a node is told with its reason and the node's name, and touches nothing
/// else.</summary>
public sealed class NodeFailureTests
{
    [Fact]
    public async Task A_worker_whose_data_differ_is_refused_by_name()
    {
        await using TestCluster cluster = TestCluster.Of(overTcp: false, servers: 1, workers: 0);
        cluster.Add(cluster.Make("stranger", NodeRoles.Worker, new OtherData()));

        string reason = await cluster.AwaitFailureAsync();

        Assert.Contains("stranger", reason);
        Assert.Contains("sha256", reason);
        cluster.Add(cluster.Make("worker-1", NodeRoles.Worker));
        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task A_slice_that_there_is_no_memory_for_fails_with_its_reason()
    {
        await using var cluster = new TestCluster(overTcp: false);
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer, memoryLimitBytes: 1 << 20),
            cluster.Make("worker-1", NodeRoles.Worker));

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(cluster.EndAsync);

        Assert.Contains("server-1", failure.Message);
        Assert.Contains("MiB", failure.Message);
    }

    [Fact]
    public async Task A_server_whose_file_of_first_weights_differs_fails_with_both_digests()
    {
        string directory = Directory.CreateTempSubdirectory("backprop-start-").FullName;
        string file = Path.Combine(directory, "start.safetensors");
        string other = Path.Combine(directory, "other.safetensors");
        WriteOutput(file, 1);
        WriteOutput(other, 2);
        RunSetup setup = TestRun.SetupOf(
            TestRun.Specification + "\ninitial-weights { safetensors = \"" + file
            + "\", except = [dense1, dense2, dense3] }");
        await using var cluster = new TestCluster(overTcp: false, setup: setup);
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer, new OtherStart(other)),
            cluster.Make("worker-1", NodeRoles.Worker));

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(cluster.EndAsync);

        Assert.Contains("server-1", failure.Message);
        Assert.Contains($"where the run has {setup.Outline.InitialWeightsSha256}", failure.Message);
        Directory.Delete(directory, recursive: true);
    }

    [Theory]
    [InlineData('b', "here is 'plugin acme-swish: sha256 bbbb")]
    [InlineData(' ', "layer 'acme-swish' is of a plug-in, and none is loaded here")]
    public async Task A_server_whose_plug_in_differs_fails_with_its_reason(
        char build, string expected)
    {
        await using var cluster = new TestCluster(
            overTcp: false, setup: SwishSetup(), plugins: Build('a'));
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer, plugins: Build(build)),
            cluster.Make("worker-1", NodeRoles.Worker, plugins: Build('a')));

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(cluster.EndAsync);

        Assert.Contains("server-1", failure.Message);
        Assert.Contains(expected, failure.Message);
        Assert.Equal(
            build != ' ',
            failure.Message.Contains("where the run has 'plugin acme-swish: sha256 aaaa"));
    }

    [Theory]
    [InlineData('b', "here is 'plugin acme-swish: sha256 bbbb")]
    [InlineData(' ', "layer 'acme-swish' is of a plug-in, and none is loaded here")]
    public async Task A_worker_whose_plug_in_differs_says_so_and_the_run_waits_for_another(
        char build, string expected)
    {
        await using var cluster = new TestCluster(
            overTcp: false, setup: SwishSetup(), plugins: Build('a'));
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer, plugins: Build('a')),
            cluster.Make("worker-1", NodeRoles.Worker, plugins: Build(build)));
        Assert.Contains(expected, await cluster.AwaitFailureAsync());

        cluster.Add(cluster.Make("worker-2", NodeRoles.Worker, plugins: Build('a')));
        await cluster.EndAsync();
    }

    private static RunSetup SwishSetup() => TestRun.SetupOf(
        TestRun.Specification.Replace("activation = tanh } }", "} }\n{ plugin = acme-swish }"),
        Build('a'));

    // Of which the digest begins with a digit; ' ': none.
    private static LayerPlugins Build(char digit) => digit == ' '
        ? LayerPlugins.None
        : LayerPlugins.Of(new LayerPlugin(
            "Acme.Layers.dll", new string(digit, 64), [new SwishFactory()]));

    [Fact]
    public async Task One_runs_failure_leaves_another_run_of_the_same_nodes_alone()
    {
        await using var cluster = new TestCluster(overTcp: false);
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer, memoryLimitBytes: 16 << 20),
            cluster.Make("worker-1", NodeRoles.Worker));
        RunSetup large = TestRun.SetupOf(
            TestRun.Specification.Replace("units = 300, activation = tanh", "units = 2000"))
            with { Run = new RunId("large-1") };

        Task<CheckpointManifest> other = cluster.TrainToo(large);

        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => other);
        Assert.Contains("server-1", failure.Message);
        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task A_worker_whose_data_fail_in_the_middle_says_so_and_others_end_the_run()
    {
        var data = new WatchedData();
        await using TestCluster cluster = TestCluster.Of(
            overTcp: false, servers: 1, workers: 0, one => one.State.Position.Step > 0);
        // Alone at first, so that there is something for it to do.
        cluster.Add(cluster.Make("faulty", NodeRoles.Worker, data));
        await cluster.AwaitHeldAsync();

        data.OnRead = () => throw new IOException("the disk is gone");
        cluster.Release();

        string reason = await cluster.AwaitFailureAsync();
        Assert.Equal("faulty: the disk is gone", reason);
        cluster.Add(cluster.Make("worker-1", NodeRoles.Worker));
        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task A_worker_that_hangs_reports_it_and_others_end_the_run()
    {
        using var end = new ManualResetEventSlim();
        var data = new WatchedData();
        await using TestCluster cluster = TestCluster.Of(
            overTcp: false, servers: 1, workers: 0, one => one.State.Position.Step > 0);
        TestNode node = cluster.Make(
            "stuck", NodeRoles.Worker, data,
            patience: new NodePatience { Computation = TimeSpan.FromSeconds(2) });
        var hung = new TaskCompletionSource<string>();
        node.Context.Hung += hung.SetResult;
        cluster.Add(node);
        await cluster.AwaitHeldAsync();

        data.OnRead = end.Wait;
        cluster.Release();

        string reason = await cluster.AwaitFailureAsync();
        // It reads for whichever it was to do first.
        Assert.Matches("^stuck: (Compute|ComputeAhead|Evaluate) ", reason);
        Assert.Equal(reason, await hung.Task);
        cluster.Add(cluster.Make("worker-1", NodeRoles.Worker));
        await cluster.AssertEndsAsOracleAsync();
        end.Set();
    }

    private static void WriteOutput(string file, float value)
    {
        using FileStream stream = File.Create(file);
        SafetensorsWriter.Write(
            [
                new WrittenTensor(
                    "output.weight", [2, 300],
                    () => Enumerable.Repeat(value, 600).ToArray()),
                new WrittenTensor("output.bias", [2], () => new float[] { value, value }),
            ],
            new Dictionary<string, string>(), stream);
    }

    // The same name, and another file.
    private sealed class OtherStart(string path) : IDataSourceOpener
    {
        private readonly DataSourceOpener _opener = new();

        public IDataset Open(DataSource source, IDataset? train) => _opener.Open(source, train);

        public ITensorFile OpenTensors(string file) => _opener.OpenTensors(path);
    }

    // The same source, and other samples.
    private sealed class OtherData : IDataSourceOpener
    {
        private readonly DataSourceOpener _opener = new();

        public IDataset Open(DataSource source, IDataset? train) => _opener.Open(
            source is DataSource.Generated { Options: GeneratedOptions.TwoMoons moons }
                ? new DataSource.Generated(moons with { Seed = moons.Seed + 100 })
                : source,
            train);
    }
}
