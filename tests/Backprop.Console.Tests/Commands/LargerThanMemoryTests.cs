using System.Text;
using System.Text.Json;
using Backprop.Chaos.Processes;

namespace Backprop.Console.Tests.Commands;

/// <summary>Data that are several times as large as what the program may keep in memory: neither
/// planning nor training nor converting copies them.</summary>
public sealed class LargerThanMemoryTests : IDisposable
{
    private const int Samples = 40_960;
    private const int Width = 1024;
    private const string MemoryBytes = "0x4000000";
    private const long DataBytes = (long)Samples * Width * sizeof(float);

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_run_on_arrays_and_on_archives_comes_to_the_same_weights()
    {
        Assert.True(DataBytes > 2 * System.Convert.ToInt64(MemoryBytes, 16));
        string features = Array("features.npy", "<f4", $"({Samples}, {Width})", DataBytes, 0.5f);
        string targets = Array("targets.npy", "|u1", $"({Samples},)", Samples, 1);
        string arrays = Specification($$"""
            numpy { features = "{{features}}", targets = "{{targets}}", classes = [a, b] }
            """);
        string hash = Trained(arrays);

        string folder = _scratch["shards"];
        Run("data", "convert", arrays, folder, "--to", "tar-shards", "--shard-samples", "8192");
        string archives = Specification($$"""
            tar-shards { files = "{{folder}}/*.tar", features = ".npy", classes = [a, b] }
            """);
        Assert.Equal(hash, Trained(archives));
    }

    /// <summary>An array of zeros, most of which the file system need not store, but for its first
    /// four bytes.</summary>
    private string Array(string name, string type, string shape, long bytes, float first)
    {
        byte[] dictionary = Encoding.ASCII.GetBytes(
            $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}\n");
        using FileStream file = File.Create(_scratch[name]);
        file.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)dictionary.Length, 0, .. dictionary]);
        long start = file.Position;
        file.Write(type == "|u1" ? [(byte)first] : BitConverter.GetBytes(first));
        file.SetLength(start + bytes);
        return file.Name;
    }

    private string Specification(string train) => _scratch.Write(
        "run.conf",
        $$"""
        name = large, seed = 3
        data {
          train { {{train}} }
          validation { fraction = 0.1, stratified = true }
          normalize = standard
        }
        model = [{ dense { units = 2 } }]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 0.1 } }
        batch-size = 512, epochs = 1
        """);

    private string Trained(string specification)
    {
        string summary = _scratch["summary.json"];
        Run(
            "train", specification, "--restart", "--output", _scratch["run"],
            "--summary", summary);
        using var document = JsonDocument.Parse(File.ReadAllText(summary));
        return document.RootElement.GetProperty("weights-sha256").GetString()!;
    }

    private static void Run(params string[] arguments)
    {
        (int exitCode, string output, string error) = BackpropProgram.Run(
            new Dictionary<string, string>
            {
                ["DOTNET_GCHeapHardLimit"] = MemoryBytes, ["DOTNET_gcServer"] = "0",
            },
            arguments);
        Assert.True(exitCode == 0, $"exit code {exitCode}\n{output}\n{error}");
    }
}
