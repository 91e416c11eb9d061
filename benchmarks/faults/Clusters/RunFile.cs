using System.Buffers.Binary;
using System.Globalization;

namespace Backprop.Faults.Clusters;

/// <summary>What is trained: the network 784-512-512-10 on 60,000 made-up images of 28 x 28 bytes.
/// </summary>
internal static class RunFile
{
    /// <summary>Samples of a step, as the peer trains it.</summary>
    public const int Batch = 256;

    /// <summary>Bytes of weights and optimizer state.</summary>
    public const long StateBytes = 3L * sizeof(float) * 669_706;

    private const int Images = 60_000;
    private const int Pixels = 28 * 28;
    private const int Classes = 10;
    private const int ImagesMagic = 0x803;
    private const int LabelsMagic = 0x801;

    /// <summary>Steps of an epoch, at whose end a cluster waits for its coordinator.</summary>
    public static int StepsPerEpoch(int batch) => (Images + batch - 1) / batch;

    /// <summary>Writes the data, and returns the specification.</summary>
    /// <param name="directory">For the data.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <param name="checkpointInterval">Time from one checkpoint to the next.</param>
    public static string Write(string directory, int batch, TimeSpan checkpointInterval)
    {
        var random = new Random(1);
        var images = new byte[Images * Pixels];
        random.NextBytes(images);
        byte[] labels = [.. Enumerable.Range(0, Images).Select(_ => (byte)random.Next(Classes))];
        WriteIdx(Path.Combine(directory, "images"), ImagesMagic, [Images, 28, 28], images);
        WriteIdx(Path.Combine(directory, "labels"), LabelsMagic, [Images], labels);
        return string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            name = faults
            seed = 1
            data {
              train { idx { images = "{{directory}}/images", labels = "{{directory}}/labels" } }
              normalize = unit
            }
            model = [
              { flatten {} }
              { dense { units = 512, activation = relu } }
              { dense { units = 512, activation = relu } }
              { dense { units = 10 } }
            ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 1e-3 } }
            batch-size = {{batch}}, micro-batches = 8, epochs = 100000
            checkpoint { every = {{checkpointInterval.TotalSeconds}}s }
            """);
    }

    private static void WriteIdx(string path, int magic, int[] sizes, byte[] values)
    {
        using FileStream file = File.Create(path);
        Span<byte> number = stackalloc byte[sizeof(int)];
        foreach (int header in (int[])[magic, .. sizes])
        {
            BinaryPrimitives.WriteInt32BigEndian(number, header);
            file.Write(number);
        }

        file.Write(values);
    }
}
