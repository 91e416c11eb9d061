using System.Text.Json;
using Backprop.Chaos.Processes;
using Backprop.Engine.Simd;

namespace Backprop.Console.Tests.Exactness;

/// <summary>
/// The signature of the system, on the built program: one run, one hash, whatever the instruction
/// set and the number of threads. Each run is a process of its own, since the runtime reads its
/// instruction-set knobs when it starts.
/// </summary>
public sealed class ExactnessTests : IClassFixture<ExactnessTests.Reference>
{
    private const int ScalarBits = 32;

    private const string Everything = "everything.conf";
    private const string Sequences = "sequences.conf";
    private const string Plugins = "plugins.conf";
    private const string Outputs = "outputs.conf";

    private readonly Reference _reference;

    /// <summary>Trained once, with the machine's own vectors, on one thread.</summary>
    public ExactnessTests(Reference reference) => _reference = reference;

    public static TheoryData<string, int, int> Settings => new()
    {
        { "", 2, BestBits },
        { "", 3, BestBits },
        { "DOTNET_EnableAVX512=0", 1, Math.Min(BestBits, 256) },
        { "DOTNET_EnableAVX512=0", 3, Math.Min(BestBits, 256) },
        { "DOTNET_EnableAVX2=0", 2, Math.Min(BestBits, 128) },
        { "DOTNET_EnableHWIntrinsic=0", 1, ScalarBits },
        { "DOTNET_EnableHWIntrinsic=0", 2, ScalarBits },
        { "DOTNET_TieredCompilation=0", 1, BestBits },
    };

    /// <summary>Settings of the run over sequences: one of each width.</summary>
    public static TheoryData<string, int, int> SequenceSettings => new()
    {
        { "", 3, BestBits },
        { "DOTNET_EnableAVX512=0", 2, Math.Min(BestBits, 256) },
        { "DOTNET_EnableAVX2=0", 2, Math.Min(BestBits, 128) },
        { "DOTNET_EnableHWIntrinsic=0", 1, ScalarBits },
    };

    private static int BestBits => (int)SimdWidths.Best * ScalarBits;

    [Theory]
    [MemberData(nameof(Settings))]
    public void A_run_has_one_hash(string variable, int threads, int simdBits)
    {
        JsonElement summary = Train(Everything, variable, threads);

        // The knob took effect, else the test would prove nothing.
        Assert.Equal(simdBits, summary.GetProperty("simd-width").GetInt32());
        Assert.Equal(threads, summary.GetProperty("threads").GetInt32());
        Assert.Equal(30, summary.GetProperty("steps").GetInt64());
        Assert.Equal(_reference.StateHash, summary.GetProperty("state-sha256").GetString());
        Assert.Equal(_reference.WeightsHash, summary.GetProperty("weights-sha256").GetString());
    }

    [Theory]
    [MemberData(nameof(SequenceSettings))]
    public void A_run_over_sequences_has_one_hash(string variable, int threads, int simdBits)
    {
        JsonElement summary = Train(Sequences, variable, threads);
        Assert.Equal(simdBits, summary.GetProperty("simd-width").GetInt32());
        Assert.Equal(6, summary.GetProperty("steps").GetInt64());
        Assert.Equal(
            _reference.SequencesStateHash, summary.GetProperty("state-sha256").GetString());
    }

    [Theory]
    [MemberData(nameof(SequenceSettings))]
    public void A_run_with_layers_of_a_plug_in_has_one_hash(
        string variable, int threads, int simdBits)
    {
        JsonElement summary = Train(Plugins, variable, threads);
        Assert.Equal(simdBits, summary.GetProperty("simd-width").GetInt32());
        Assert.Equal(12, summary.GetProperty("steps").GetInt64());
        Assert.Equal(
            _reference.PluginsStateHash, summary.GetProperty("state-sha256").GetString());
    }

    [Theory]
    [MemberData(nameof(SequenceSettings))]
    public void A_run_of_several_outputs_has_one_hash(string variable, int threads, int simdBits)
    {
        JsonElement summary = Train(Outputs, variable, threads);
        Assert.Equal(simdBits, summary.GetProperty("simd-width").GetInt32());
        Assert.Equal(16, summary.GetProperty("steps").GetInt64());
        Assert.Equal(
            _reference.OutputsStateHash, summary.GetProperty("state-sha256").GetString());
    }

    private static JsonElement Train(string specification, string variable, int threads)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-exactness-");
        try
        {
            string summary = Path.Combine(folder.FullName, "summary.json");
            var environment = new Dictionary<string, string>(ExamplePlugin.Variables);
            if (variable.Split('=') is [string name, string value])
            {
                environment[name] = value;
            }

            (int exitCode, string output, string error) = BackpropProgram.Run(
                environment,
                "train", PathOf(specification), "--threads", $"{threads}",
                "--output", Path.Combine(folder.FullName, "run"), "--summary", summary);
            Assert.True(exitCode == 0, $"exit code {exitCode}\n{output}\n{error}");
            return JsonDocument.Parse(File.ReadAllText(summary)).RootElement.Clone();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string PathOf(string specification) => Path.Combine(
        BackpropProgram.RepositoryRoot, "tests", "Backprop.Console.Tests", "Exactness",
        specification);

    /// <summary>The hashes that every setting must reach.</summary>
    public sealed class Reference
    {
        public Reference()
        {
            JsonElement summary = Train(Everything, "", threads: 1);
            StateHash = summary.GetProperty("state-sha256").GetString()!;
            SequencesStateHash = Train(Sequences, "", threads: 1)
                .GetProperty("state-sha256").GetString()!;
            PluginsStateHash = Train(Plugins, "", threads: 1)
                .GetProperty("state-sha256").GetString()!;
            OutputsStateHash = Train(Outputs, "", threads: 1)
                .GetProperty("state-sha256").GetString()!;
            WeightsHash = summary.GetProperty("weights-sha256").GetString()!;
        }

        public string StateHash { get; }

        public string WeightsHash { get; }

        public string SequencesStateHash { get; }

        public string PluginsStateHash { get; }

        public string OutputsStateHash { get; }
    }
}
