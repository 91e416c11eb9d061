using System.Text.Json;
using Backprop.Chaos.Processes;

namespace Backprop.Chaos;

/// <summary>What is trained under schedules: small, but with three blocks of parameters, so that
/// three servers have something to serve; with dropout, batch statistics and validation, so that
/// all that could go wrong may; and in eight micro-batches.</summary>
internal static class ChaosSpecification
{
    private const int StepsPerEpoch = 80;
    private const int StepsPerFault = 60;

    /// <summary>What a schedule has trained: every other one images that are changed as they are
    /// loaded, by a network that has what the first has not.</summary>
    /// <param name="seed">The schedule's.</param>
    /// <param name="faults">How many it takes.</param>
    public static string ForSchedule(int seed, int faults) =>
        seed % 2 == 0 ? Images(faults) : For(faults);

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
        epochs = {{Epochs(faults)}}
        checkpoint { every = 2s }, workers { min = {{leastWorkers}} }
        """;

    private static int Epochs(int faults) => 2 + (faults * StepsPerFault / StepsPerEpoch);

    private static string Images(int faults) => $$"""
        name = chaos-images
        seed = 4
        data {
          train { idx {
            images = "data/digits/train-images-idx3-ubyte.gz"
            labels = "data/digits/train-labels-idx1-ubyte.gz"
          } }
          validation { fraction = 0.1 }
          mixup { alpha = 0.4 }
          augment = [
            { crop-pad { pixels = 2 } }, { rotate { degrees = 10 } }
            { noise { standard-deviation = 0.05 } }
          ]
        }
        model = [
          { convolution-2d { filters = 6, kernel = 3, padding = same, activation = relu } }
          { batch-normalization {} }
          { max-pooling-2d { size = 2 } }
          { convolution-2d { filters = 12, kernel = 3, padding = same, activation = gelu } }
          { flatten {} }
          { branches { branches = [ [ { dense { units = 208, activation = silu } } ], [] ] } }
          { dropout { rate = 0.1 } }
          { block { recompute = true, repeat = 1, layers = [
            { dense { units = 400, activation = tanh } }
          ] } }
          { layer-normalization {} }
          { dense { units = 10 } }
        ]
        loss { softmax-cross-entropy { label-smoothing = 0.1 } }
        optimizer { adamw { learning-rate = 0.001, weight-decay = 0.01 } }
        averaging { exponential { decay = 0.99 } }
        clip { norm = 1.0 }
        batch-size = 16, micro-batches = 8
        epochs = {{Epochs(faults)}}
        checkpoint { every = 2s }
        """;

    /// <summary>The digest of the weights that one undisturbed process comes to.</summary>
    /// <exception cref="InvalidOperationException">It comes to none.</exception>
    public static string Undisturbed(string specification, string directory)
    {
        directory = Directory.CreateDirectory(Path.Combine(directory, "undisturbed")).FullName;
        string file = Path.Combine(directory, "run.conf");
        string output = Path.Combine(directory, "output");
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
