using System.Text.Json;
using Backprop.Chaos.Processes;

namespace Backprop.Chaos;

/// <summary>What is trained under schedules: small, but with three blocks of parameters, so that
/// three servers have something to serve; with dropout, batch statistics and validation, so that
/// all that could go wrong may; and in eight micro-batches.</summary>
internal static class ChaosSpecification
{
    private const int StepsPerEpoch = 90;
    private const int StepsPerFault = 60;

    /// <summary>One that takes so many faults before it is over.</summary>
    /// <param name="faults">How many.</param>
    /// <param name="leastWorkers">With fewer workers it pauses.</param>
    public static string For(int faults, int leastWorkers = 1) => $$"""
        name = chaos
        seed = 3
        data {
          train { generated { moons { samples = 1600, noise = 0.1, seed = 1 } } }
          validation { fraction = 0.1 }
        }
        model = [
          { dense { units = 400 } }, { batch-normalization {} }, { relu {} },
          { dense { units = 400, activation = relu } }, { dropout { rate = 0.2 } },
          { dense { units = 2 } }
        ]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 0.001 } }
        batch-size = 16, micro-batches = 8
        epochs = {{2 + (faults * StepsPerFault / StepsPerEpoch)}}
        checkpoint { every = 2s }, workers { min = {{leastWorkers}} }
        """;

    /// <summary>The digest of the weights that one undisturbed process comes to.</summary>
    /// <exception cref="InvalidOperationException">It comes to none.</exception>
    public static string Undisturbed(string specification, string directory)
    {
        Directory.CreateDirectory(directory);
        string file = Path.Combine(directory, "undisturbed.conf");
        string output = Path.Combine(directory, "undisturbed");
        File.WriteAllText(file, specification);
        (int exitCode, string text, string error) = BackpropProgram.Run(
            new Dictionary<string, string> { ["HOME"] = directory },
            "train", file, "--output", output, "--threads", "1");
        if (exitCode != 0)
        {
            throw new InvalidOperationException($"'train' has failed: {text}{error}");
        }

        using JsonDocument summary = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(output, "summary.json")));
        return summary.RootElement.GetProperty("weights-sha256").GetString()!;
    }
}
