using System.Globalization;
using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults.Lines;

/// <summary>How long training stands still for a checkpoint. A server copies its slice, which is
/// held against one copy of as many bytes in memory, made at the same time, and against what it
/// takes to save, which is what a synchronous save would stand still for. That all servers copy the
/// same version costs more than the copy: the step that is held up says how much.</summary>
internal static class CheckpointStalls
{
    private const double Milliseconds = 1e3;
    private static readonly TimeSpan s_mostForSaves = TimeSpan.FromMinutes(5);

    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        int saves = 2 * given.Repeats;
        var copies = new Samples();
        var durable = new Samples();
        var memory = new Samples();
        var steps = new Samples();
        double step;
        var from = new byte[RunFile.StateBytes / TrainingCluster.Servers];
        var to = new byte[from.Length];
        Copy(from, to);
        given.Report.Head(string.Create(
            CultureInfo.InvariantCulture,
            $"checkpoints, of slices of {from.Length / 1e6:0.0} MB with optimizer state"));
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(given, workers: 2))
        {
            Measures measures = cluster.Of(1);
            int first = measures.Saves.Count;
            while (measures.Saves.Count < first + saves)
            {
                int known = measures.Saves.Count;
                await cluster.UntilAsync(
                    () => measures.Saves.Count > known, s_mostForSaves, "no checkpoint");
                memory.Add(Milliseconds * Copy(from, to));
            }

            foreach ((long at, double seconds) in measures.Copies.Skip(first).Take(saves))
            {
                copies.Add(Milliseconds * seconds);
                steps.Add(Milliseconds * cluster.Steps.StepAround(at));
            }

            step = Milliseconds
                * cluster.Steps.MedianStep(measures.Copies[first].At, measures.Copies[^1].At);

            foreach (double save in measures.Saves.Skip(first).Take(saves))
            {
                durable.Add(Milliseconds * save);
            }
        }

        given.Report.Add("a slice stands still", copies, "ms");
        given.Report.Add("one copy in memory", memory, "ms");
        given.Report.Add("until the copy is durable", durable, "ms");
        given.Report.Add(
            "standing still, in copies (p50 by p50)", copies.Median / memory.Median, "copies", "1");
        given.Report.Add(
            "a synchronous save by that", durable.Median / copies.Median, "times", "20");
        given.Report.Add("the step with a checkpoint", steps, "ms");
        given.Report.Add("the median step", step, "ms");
        if (given.HasPeer)
        {
            MeasurePeer(given, saves);
        }
    }

    private static double Copy(byte[] from, byte[] to)
    {
        long began = Clock.Now;
        from.CopyTo(to, 0);
        return Clock.Seconds(began, Clock.Now);
    }

    // All of the state, which every rank has, is saved by one.
    private static void MeasurePeer(Measurement given, int saves)
    {
        string file = Path.GetTempFileName();
        try
        {
            var written = new Samples();
            var durable = new Samples();
            string output = PythonProgram.Run("save.py", file, $"{saves}");
            foreach (string line in output.Trim().Split('\n'))
            {
                double[] times =
                [
                    .. line.Split(' ').Select(
                        word => double.Parse(word, CultureInfo.InvariantCulture)),
                ];
                written.Add(times[0]);
                durable.Add(times[1]);
            }

            given.Report.Add("torch.save of both slices", written, "ms");
            given.Report.Add("torch.save of both slices, with fsync", durable, "ms");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
