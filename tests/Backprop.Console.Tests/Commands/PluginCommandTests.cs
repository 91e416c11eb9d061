using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>Layers of a plug-in, from the command line: the example's, and what is said where it is
/// not there or another one.</summary>
public sealed class PluginCommandTests : IDisposable
{
    private static readonly string s_run = Path.Combine(
        CommandRun.Root, "tests", "Backprop.Console.Tests", "Exactness", "plugins.conf");

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_examples_run_is_described_and_its_gradients_agree()
    {
        const string run = "examples/Acme.Layers/digits.conf";
        CommandRun described = With(ExamplePlugin.Variables, "describe", run);
        Assert.Equal((0, ""), (described.ExitCode, described.Error));
        Assert.Contains(
            "acme-radial-basis of Acme.Layers.dll, sha256 "
            + ExamplePlugin.Sha256Of(ExamplePlugin.File),
            described.Output);
        CommandRun check = With(ExamplePlugin.Variables, "gradcheck", run, "--rows", "5");
        Assert.Equal((0, ""), (check.ExitCode, check.Error));
        Assert.Contains("basis.centres", check.Output);
    }

    // With the templates of this version, in a hive of the test's own, and the engine's package.
    [Fact]
    public void A_layer_of_the_template_is_built_and_its_gradients_agree()
    {
        string packages = _scratch["packages"], hive = _scratch["hive"];
        string project = _scratch["My.Layers"], release = Path.Combine("bin", "Release", "net10.0");
        Dotnet(
            "pack", "src/Backprop.Engine", "--no-build", "-c", DotnetTool.Configuration,
            "-o", packages);
        Dotnet("pack", "examples/Templates", "-c", "Release", "-o", packages);
        Dotnet(
            "new", "install", Directory.GetFiles(packages, "Backprop.Templates.*.nupkg").Single(),
            "--debug:custom-hive", hive);
        Dotnet(
            "new", "backprop-layer", "-n", "My.Layers", "-o", project, "--debug:custom-hive", hive);
        File.WriteAllText(Path.Combine(project, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{_scratch["restored"]}" /></config>
              <packageSources><clear /><add key="packed" value="{packages}" /></packageSources>
            </configuration>
            """);
        Dotnet("build", Path.Combine(project, "My.Layers.csproj"), "-c", "Release");

        string plugin = Path.Combine(project, release, "My.Layers.dll");
        Assert.Equal(
            ["My.Layers.dll"],
            Directory.GetFiles(Path.Combine(project, release), "*.dll").Select(Path.GetFileName));
        CommandRun check = With(
            ExamplePlugin.VariablesOf(plugin), "gradcheck", Path.Combine(project, "check.conf"));
        Assert.Equal((0, ""), (check.ExitCode, check.Error));
        Assert.Contains("gate.beta", check.Output);
        CommandRun described = With(
            ExamplePlugin.VariablesOf(plugin), "describe", Path.Combine(project, "check.conf"));
        Assert.Contains("my-layers-swish of My.Layers.dll", described.Output);
    }

    [Fact]
    public void The_data_of_a_run_with_its_layers_are_converted()
    {
        CommandRun converted = With(
            ExamplePlugin.Variables, "data", "convert", s_run, _scratch["arrays"]);
        Assert.Equal((0, ""), (converted.ExitCode, converted.Error));
        Assert.True(File.Exists(Path.Combine(_scratch["arrays"], "features.npy")));
    }

    // By a file of the configuration, as nodes have it.
    [Fact]
    public void A_cluster_comes_to_the_bits_of_the_single_process()
    {
        Dictionary<string, string> variables = ExamplePlugin.VariablesOf(ExamplePlugin.File);
        string node = _scratch.Write("node.conf", $$"""
            backprop.plugins {
              folder = "{{variables["BACKPROP__PLUGINS__FOLDER"]}}"
              allow = ["{{variables["BACKPROP__PLUGINS__ALLOW"]}}"]
            }
            """);
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", s_run, "--config", node, "--output", single);
        CommandRun.Succeeds(
            "train", s_run, "--config", node, "--workers", "3", "--parameter-servers", "2",
            "--output", cluster);
        JsonElement mine = CommandRun.Summary(cluster), oracle = CommandRun.Summary(single);
        foreach (string key in (string[])["weights-sha256", "state-sha256", "losses", "metrics"])
        {
            Assert.Equal(oracle.GetProperty(key).ToString(), mine.GetProperty(key).ToString());
        }

        string evaluated = CommandRun.Succeeds(
            "evaluate", $"{single}/model.bpm", "--config", node).Output;
        CommandRun.Succeeds(
            "export", $"{cluster}/model.bpm", "--config", node, "--output",
            _scratch["m.safetensors"]);
        Assert.Equal(
            evaluated,
            CommandRun.Succeeds(
                "evaluate", _scratch["m.safetensors"], "--config", node).Output);
        CommandRun.Fails(
            ExitCode.Mistake, "which ONNX has no operators for",
            "export", $"{single}/model.bpm", "--config", node, "--format", "onnx");
        CommandRun.Fails(
            ExitCode.Mistake, "of a plug-in with the SHA-256", "evaluate", $"{single}/model.bpm");
    }

    [Fact]
    public void Without_the_plug_in_a_run_is_refused_by_the_layers_name() => CommandRun.Fails(
        ExitCode.Mistake, "layer 'acme-swish' is of a plug-in, and none is loaded here",
        "train", s_run, "--output", _scratch["run"]);

    [Fact]
    public void A_run_does_not_go_on_with_another_build_of_its_plug_in()
    {
        string output = _scratch["run"], rebuilt = _scratch["Acme.Layers.dll"];
        string begun = _scratch.Write(
            "run.conf",
            File.ReadAllText(s_run).Replace(
                "stop { max-steps = 12,", "checkpoint { every-steps = 2 }\nstop {"));
        using var interruption = new Interruption();
        CommandRun first = CommandRun.With(
            new Surroundings
            {
                Variables = ExamplePlugin.Variables,
                Interruption = interruption,
                Time = new InterruptingTime(
                    interruption,
                    () => Directory.Exists(output)
                        && Directory.EnumerateFiles(
                            output, "*", SearchOption.AllDirectories).Count() > 3),
            },
            "train", begun, "--output", output);
        Assert.Equal(ExitCode.Interrupted, first.ExitCode);

        File.WriteAllBytes(rebuilt, [.. File.ReadAllBytes(ExamplePlugin.File), 0]);
        CommandRun refused = With(
            ExamplePlugin.VariablesOf(rebuilt), "train", begun, "--output", output, "--resume");
        Assert.NotEqual(ExitCode.Done, refused.ExitCode);
        Assert.Contains(
            $"plugin acme-radial-basis: sha256 {ExamplePlugin.Sha256Of(ExamplePlugin.File)}",
            refused.Error);
        Assert.Contains(
            $"plugin acme-radial-basis: sha256 {ExamplePlugin.Sha256Of(rebuilt)}", refused.Error);

        CommandRun resumed = With(
            ExamplePlugin.Variables, "train", begun, "--output", output, "--resume");
        Assert.Equal((0, ""), (resumed.ExitCode, resumed.Error));
    }

    private static void Dotnet(params string[] arguments)
    {
        (int ended, string said) = DotnetTool.Run(CommandRun.Root, arguments);
        Assert.True(ended == 0, said);
    }

    private static CommandRun With(
        IReadOnlyDictionary<string, string> variables, params string[] arguments) =>
        CommandRun.With(new Surroundings { Variables = variables }, arguments);
}
