using Backprop.Distributed.Configuration;
using Backprop.Models.Plugins;

namespace Backprop.Distributed.Tests.Configuration;

public class NodeConfigurationReaderTests
{
    private static readonly Dictionary<string, string> s_noEnvironment = [];

    [Fact]
    public void Defaults_are_those_of_the_shipped_file()
    {
        string shipped = File.ReadAllText(
            Path.Combine(RepositoryRoot(), "hocon", "reference.conf"));
        Assert.Equal(shipped, NodeConfigurationReader.ReferenceText);

        NodeConfiguration configuration = NodeConfigurationReader.Read(null, s_noEnvironment);

        Assert.Equal(0, configuration.ComputeThreads);
        Assert.Equal("runs", configuration.Output);
        Assert.Equal(TimeSpan.FromSeconds(30), configuration.Checkpoint.Interval);
        Assert.Equal(2, configuration.Checkpoint.Keep);
        Assert.Equal(Environment.ProcessorCount, configuration.EffectiveThreads);
    }

    [Theory]
    [InlineData("embedded.conf", "backprop", 1)]
    [InlineData("development.conf", "development", 1)]
    [InlineData("production.conf", "production", 3)]
    public void The_shipped_examples_are_without_mistakes(
        string file, string cluster, int coordinators)
    {
        string path = Path.Combine(RepositoryRoot(), "hocon", file);

        NodeConfiguration node = NodeConfigurationReader.Read(
            new ConfigurationText(path, File.ReadAllText(path)),
            new Dictionary<string, string>
            {
                ["BACKPROP__PERSISTENCE__CONNECTION_STRING"] =
                    file == "production.conf" ? "Host=db;Database=backprop" : "",
            });

        Assert.Equal(cluster, node.Cluster.Name);
        Assert.Equal(coordinators, node.Cluster.Coordinators);
    }

    [Fact]
    public void Plug_ins_are_allowed_by_name_and_digest()
    {
        string sha256 = new('a', 64);
        var file = new ConfigurationText(
            "node.conf", $"backprop.plugins {{ allow = [\"A.dll#sha256={sha256}\"] }}");
        PluginConfiguration read = NodeConfigurationReader.Read(file, s_noEnvironment).Plugins;
        Assert.Equal("plugins", read.Folder);
        Assert.Equal(new AllowedPlugin("A.dll", sha256), Assert.Single(read.Allow));

        var environment = new Dictionary<string, string>
        {
            ["BACKPROP__PLUGINS__ALLOW"] =
                $"B.dll#sha256={sha256},C.dll,B.dll#sha256={sha256}",
        };
        var wrong = Assert.Throws<NodeConfigurationException>(
            () => NodeConfigurationReader.Read(file, environment));
        Assert.Equal(2, wrong.Mistakes.Length);
        Assert.StartsWith("backprop.plugins.allow: 'C.dll' is not the name", wrong.Mistakes[0]);
        Assert.Equal("backprop.plugins.allow: has B.dll twice", wrong.Mistakes[1]);
    }

    [Fact]
    public void A_file_overrides_defaults_and_the_environment_overrides_both()
    {
        var file = new ConfigurationText("node.conf", """
            backprop { compute.threads = 3, output = /var/runs, checkpoint { interval = 5m } }
            """);
        var environment = new Dictionary<string, string>
        {
            ["BACKPROP__COMPUTE__THREADS"] = "2",
            ["BACKPROP_OTHER"] = "not ours",
            ["PATH"] = "/bin",
        };

        NodeConfiguration configuration = NodeConfigurationReader.Read(file, environment);

        Assert.Equal(2, configuration.ComputeThreads);
        Assert.Equal(2, configuration.EffectiveThreads);
        Assert.Equal("/var/runs", configuration.Output);
        Assert.Equal(TimeSpan.FromMinutes(5), configuration.Checkpoint.Interval);
        Assert.Equal(2, configuration.Checkpoint.Keep);
    }

    [Fact]
    public void An_environment_value_is_taken_literally()
    {
        var environment = new Dictionary<string, string>
        {
            ["BACKPROP__OUTPUT"] = """C:\runs "today" # ${x}""",
        };

        Assert.Equal(
            """C:\runs "today" # ${x}""",
            NodeConfigurationReader.Read(null, environment).Output);
    }

    [Fact]
    public void Every_unknown_key_is_named_with_what_was_probably_meant()
    {
        var file = new ConfigurationText("node.conf", """
            backprop { threads = 3, checkpoint { intervall = 5s } }
            """);
        var environment = new Dictionary<string, string> { ["BACKPROP__CHECKPOINT__KEP"] = "2" };

        var failure = Assert.Throws<NodeConfigurationException>(
            () => NodeConfigurationReader.Read(file, environment));

        Assert.Equal(3, failure.Mistakes.Length);
        Assert.Equal(
            "node.conf:1:12: unknown key 'backprop.threads'; did you mean "
            + "'backprop.compute.threads'?",
            failure.Mistakes[0]);
        Assert.Contains("'backprop.checkpoint.intervall'", failure.Mistakes[1]);
        Assert.Contains("'backprop.checkpoint.interval'?", failure.Mistakes[1]);
        Assert.Contains("environment variable BACKPROP__CHECKPOINT__KEP", failure.Mistakes[2]);
        Assert.Contains("'backprop.checkpoint.keep'?", failure.Mistakes[2]);
    }

    [Theory]
    [InlineData("compute.threads = -1", "backprop.compute.threads: '-1'")]
    [InlineData("compute.threads = two", "backprop.compute.threads: 'two'")]
    [InlineData("compute.threads = 5000", "backprop.compute.threads: '5000'")]
    [InlineData("compute.threads = [1, 2]", "backprop.compute.threads")]
    [InlineData("compute = 4", "backprop.compute")]
    [InlineData("output = \"\"", "backprop.output")]
    [InlineData("output { a = 1 }", "backprop.output.a")]
    [InlineData("checkpoint.interval = 0s", "backprop.checkpoint.interval: '0s'")]
    [InlineData("checkpoint.interval = infinite", "backprop.checkpoint.interval: 'infinite'")]
    [InlineData("checkpoint.interval = soon", "backprop.checkpoint.interval: 'soon'")]
    [InlineData("checkpoint.keep = 1", "backprop.checkpoint.keep: '1'")]
    public void A_bad_value_is_refused_by_its_key(string setting, string expected)
    {
        var file = new ConfigurationText("node.conf", $"backprop {{ {setting} }}");

        var failure = Assert.Throws<NodeConfigurationException>(
            () => NodeConfigurationReader.Read(file, s_noEnvironment));

        Assert.Contains(expected, Assert.Single(failure.Mistakes));
    }

    [Theory]
    [InlineData("backprop {\n  compute { threads = 1 }\n", "node.conf:1:10: ")]
    [InlineData("backprop.output = ${home}", "node.conf:1:19: ")]
    [InlineData("include \"other.conf\"", "node.conf:1:")]
    public void Broken_HOCON_is_refused_by_its_place(string text, string expected)
    {
        var failure = Assert.Throws<NodeConfigurationException>(() => NodeConfigurationReader.Read(
            new ConfigurationText("node.conf", text), s_noEnvironment));

        Assert.StartsWith(expected, Assert.Single(failure.Mistakes));
    }

    [Fact]
    public void An_empty_file_changes_nothing() => Assert.Equal(
        NodeConfigurationReader.Read(null, s_noEnvironment),
        NodeConfigurationReader.Read(new ConfigurationText("node.conf", ""), s_noEnvironment));

    private static string RepositoryRoot()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "global.json")))
        {
            directory = Path.GetDirectoryName(directory);
        }

        return directory ?? throw new InvalidOperationException("not run from the repository");
    }
}
